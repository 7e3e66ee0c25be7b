/** InferTensorContents into packed bytes. */
import { type TensorDType, toDatatype } from '../../tensors/datatypes.ts';
import { refuse } from '../../tensors/refuse.ts';
import { WireCursor } from './wire.ts';

/** Which repeated field carries a type, and how. FP16 and BF16 have none: they come raw. */
const FIELDS: Readonly<Record<TensorDType, { readonly number: number; readonly width: 'varint' | 4 | 8 } | null>> = {
  bool: { number: 1, width: 'varint' },
  i8: { number: 2, width: 'varint' },
  i16: { number: 2, width: 'varint' },
  i32: { number: 2, width: 'varint' },
  i64: { number: 3, width: 'varint' },
  u8: { number: 4, width: 'varint' },
  u16: { number: 4, width: 'varint' },
  u32: { number: 4, width: 'varint' },
  u64: { number: 5, width: 'varint' },
  f32: { number: 6, width: 4 },
  f64: { number: 7, width: 8 },
  f16: null,
  bf16: null,
};

/**
 * Values of the field that belongs to the type; any other field is refused.
 * @param count of the shape, checked against the signature
 * @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_INPUT_SHAPE | GATEWAY_INPUT_VALUE for what the type does not hold
 */
export function readContents(contents: Uint8Array, dtype: TensorDType, count: number, at: string): Uint8Array {
  const field = FIELDS[dtype];
  if (field === null) refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'values of this type come raw' });
  // Every value takes a byte at least, so that no shape makes room that the message does not fill.
  if (count > contents.length) failCount(at);
  const { bytes } = toDatatype(dtype);
  const data = new Uint8Array(count * bytes);
  const view = new DataView(data.buffer);
  const cursor = new WireCursor(contents, 0, contents.length, 'GATEWAY_INPUT_MALFORMED');
  let index = 0;
  while (cursor.next()) {
    if (cursor.number !== field.number) cursor.fail('values of another type');
    cursor.scalars(field.width, (from) => {
      if (index === count) failCount(at);
      if (field.width === 'varint') setVarint(view, dtype, index, cursor, at);
      else data.set(contents.subarray(from, from + bytes), index * bytes);
      index++;
    });
  }
  if (index !== count) failCount(at);
  return data;
}

function setVarint(view: DataView, dtype: TensorDType, index: number, { low, high }: WireCursor, at: string): void {
  const isInt = dtype === 'i8' || dtype === 'i16' || dtype === 'i32';
  // Negative int32 values are sign-extended to 64 bits.
  const isNegative = isInt && high === 0xffffffff && low >= 0x80000000;
  if (dtype === 'i64' || dtype === 'u64') {
    view.setUint32(8 * index, low, true);
    view.setUint32(8 * index + 4, high, true);
    return;
  }
  const value = isNegative ? low - 2 ** 32 : low;
  const { bytes } = toDatatype(dtype);
  const [min, max] =
    dtype === 'bool' ? [0, 1] : isInt ? [-(2 ** (8 * bytes - 1)), 2 ** (8 * bytes - 1) - 1] : [0, 2 ** (8 * bytes) - 1];
  if ((high !== 0 && !isNegative) || value < min || value > max) {
    refuse('GATEWAY_INPUT_VALUE', at, { problem: 'beyond the type', index });
  }
  if (bytes === 4) view.setUint32(4 * index, low, true);
  else if (bytes === 2) view.setUint16(2 * index, low & 0xffff, true);
  else view.setUint8(index, low & 0xff);
}

function failCount(at: string): never {
  refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'another number of values than the shape' });
}
