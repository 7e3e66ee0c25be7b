/** Numbers of JSON into packed little-endian bytes: integers exactly or not at all, floats rounded once to their type. */
import { encodeFloats } from '../../model/floats.ts';
import type { JsonReader } from '../json/reader.ts';
import { type TensorDType, toDatatype } from './datatypes.ts';
import { lookAtValues } from './finite.ts';
import { refuse } from './refuse.ts';

/** Packed values, and what was seen of them on the way. */
export interface ReadValues {
  readonly data: Uint8Array;
  readonly hasNegativeZero: boolean;
}

/**
 * Reads the array that stands next: flat, or nested exactly as the shape says.
 *
 * Integers are taken without fraction or exponent and within the range of their type, BOOL as true and false. Floats are
 * rounded to nearest, ties to even, by way of the nearest double; what rounds to infinity is refused.
 * @param at name of the member, for errors
 * @throws GatewayError GATEWAY_INPUT_SHAPE | GATEWAY_INPUT_VALUE; the reader's code
 */
export function readElements(reader: JsonReader, dtype: TensorDType, shape: readonly number[], at: string): ReadValues {
  const sink = new Sink(dtype, countWithin(reader, shape, at), at);
  if (reader.peek() !== 'array') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no array' });
  reader.enterArray();
  if (!reader.nextElement()) refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'another number of values than the shape' });
  if (shape.length > 1 && reader.peek() === 'array') readNested(reader, shape, 0, sink, at);
  else readRow(reader, sink.count, sink, at);
  return sink.finish();
}

/**
 * Reads the array, or for a shape of no axes the value, that stands next, nested exactly as the shape says.
 * @throws as {@link readElements}
 */
export function readNestedElements(
  reader: JsonReader,
  dtype: TensorDType,
  shape: readonly number[],
  at: string,
): ReadValues {
  const sink = new Sink(dtype, countWithin(reader, shape, at), at);
  readInto(reader, shape, sink, at);
  return sink.finish();
}

/** {@link readNestedElements} into a part of a larger tensor: rows that stand apart in the text. */
export function readInto(reader: JsonReader, shape: readonly number[], sink: Sink, at: string): void {
  if (shape.length === 0) {
    sink.read(reader);
    return;
  }
  if (reader.peek() !== 'array') refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'fewer axes than the model takes' });
  reader.enterArray();
  if (!reader.nextElement()) refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'an empty axis' });
  readNested(reader, shape, 0, sink, at);
}

/** Number of values, once it is known that the rest of the text can hold so many: each takes a digit and a comma. */
export function countWithin(reader: JsonReader, shape: readonly number[], at: string): number {
  const most = (reader.bytes.length - reader.at + 1) / 2;
  let count = 1;
  for (const dim of shape) count *= dim;
  if (!(count <= most)) refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'another number of values than the shape' });
  return count;
}

/** Behind the bracket of an array of `shape[axis]` elements, before the first of them. */
function readNested(reader: JsonReader, shape: readonly number[], axis: number, sink: Sink, at: string): void {
  if (axis === shape.length - 1) {
    readRow(reader, shape[axis], sink, at);
    return;
  }
  for (let i = 0; i < shape[axis]; i++) {
    if (i > 0 && !reader.nextElement()) failAxis(at);
    if (reader.peek() !== 'array') failAxis(at);
    reader.enterArray();
    if (!reader.nextElement()) failAxis(at);
    readNested(reader, shape, axis + 1, sink, at);
  }
  if (reader.nextElement()) failAxis(at);
}

function readRow(reader: JsonReader, count: number, sink: Sink, at: string): void {
  sink.read(reader);
  for (let i = 1; i < count; i++) {
    if (!reader.nextElement()) failAxis(at);
    sink.read(reader);
  }
  if (reader.nextElement()) failAxis(at);
}

function failAxis(at: string): never {
  refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'another number of values than the shape' });
}

const INT_RANGES = {
  i8: [-0x80, 0x7f],
  i16: [-0x8000, 0x7fff],
  i32: [-0x80000000, 0x7fffffff],
  u8: [0, 0xff],
  u16: [0, 0xffff],
  u32: [0, 0xffffffff],
} as const;

/** Digits, and a sign, that a 64-bit integer can have; longer ones are not read. */
const INT64_CHARS_MAX = 20;

/** Small tensors lie side by side: a block of memory for each of them costs more to collect than to fill. */
const BLOCK_BYTES = 8192;
const SMALL_BYTES_MAX = 1024;
let block = new ArrayBuffer(BLOCK_BYTES);
let blockAt = 0;

/** Zeros, of which nobody else has a view. */
function takeMemory(bytes: number): Uint8Array {
  if (bytes > SMALL_BYTES_MAX) return new Uint8Array(bytes);
  if (blockAt + bytes > BLOCK_BYTES) {
    block = new ArrayBuffer(BLOCK_BYTES);
    blockAt = 0;
  }
  const start = blockAt;
  blockAt += Math.ceil(bytes / 8) * 8;
  return new Uint8Array(block, start, bytes);
}

/** Takes values of one type one by one. */
export class Sink {
  readonly count: number;
  readonly #dtype: TensorDType;
  readonly #at: string;
  readonly #data: Uint8Array;
  readonly #view: DataView;
  /** 16-bit floats are rounded together at the end. */
  readonly #halves: Float64Array | null;
  #index = 0;
  #hasNegativeZero = false;

  /** @param count bounded by what the text can hold */
  constructor(dtype: TensorDType, count: number, at: string) {
    this.count = count;
    this.#dtype = dtype;
    this.#at = at;
    const bytes = count * toDatatype(dtype).bytes;
    this.#data = takeMemory(bytes);
    this.#view = new DataView(this.#data.buffer, this.#data.byteOffset, bytes);
    this.#halves = dtype === 'f16' || dtype === 'bf16' ? new Float64Array(count) : null;
  }

  /** Reads the value that stands next. */
  read(reader: JsonReader): void {
    if (this.#index === this.count) failAxis(this.#at);
    const index = this.#index++;
    switch (this.#dtype) {
      case 'f32':
        this.#view.setFloat32(4 * index, this.#float(readNumber(reader, this.#at, true)), true);
        return;
      case 'f64':
        this.#view.setFloat64(8 * index, this.#float(readNumber(reader, this.#at)), true);
        return;
      case 'f16':
      case 'bf16':
        this.#halves![index] = readNumber(reader, this.#at);
        return;
      case 'bool':
        this.#data[index] = readTruth(reader, this.#at) ? 1 : 0;
        return;
      case 'i64':
      case 'u64':
        this.#setWide(8 * index, reader);
        return;
      default:
        this.#setInt(this.#dtype, index, reader);
    }
  }

  finish(): ReadValues {
    if (this.#index !== this.count) failAxis(this.#at);
    if (this.#halves === null) return { data: this.#data, hasNegativeZero: this.#hasNegativeZero };
    encodeFloats(this.#dtype as 'f16' | 'bf16', this.#halves, this.#data);
    const { badIndex, hasNegativeZero } = lookAtValues(this.#dtype, this.#data);
    if (badIndex >= 0) this.#fail('beyond the type');
    return { data: this.#data, hasNegativeZero };
  }

  #float(value: number): number {
    if (value - value !== 0) this.#fail('beyond the type');
    if (value === 0 && Object.is(value, -0)) this.#hasNegativeZero = true;
    return value;
  }

  #setInt(dtype: keyof typeof INT_RANGES, index: number, reader: JsonReader): void {
    const value = readNumber(reader, this.#at);
    const [min, max] = INT_RANGES[dtype];
    if (!reader.isInteger) this.#fail('no integer');
    if (value < min || value > max) this.#fail('beyond the type');
    const bytes = toDatatype(dtype).bytes;
    if (bytes === 4) this.#view.setInt32(4 * index, value, true);
    else if (bytes === 2) this.#view.setInt16(2 * index, value, true);
    else this.#view.setInt8(index, value);
  }

  #setWide(offset: number, reader: JsonReader): void {
    const value = readNumber(reader, this.#at);
    if (!reader.isInteger) this.#fail('no integer');
    const isSigned = this.#dtype === 'i64';
    if (Number.isSafeInteger(value) && (isSigned || value >= 0)) {
      this.#view.setBigInt64(offset, BigInt(value), true);
      return;
    }
    const text = reader.numberText();
    // A double does not hold it; the text does.
    const exact = text.length > INT64_CHARS_MAX ? null : BigInt(text);
    const wrapped = exact === null ? null : isSigned ? BigInt.asIntN(64, exact) : BigInt.asUintN(64, exact);
    if (exact === null || wrapped !== exact) this.#fail('beyond the type');
    this.#view.setBigInt64(offset, exact, true);
  }

  #fail(problem: string): never {
    refuse('GATEWAY_INPUT_VALUE', this.#at, { problem, index: this.#index - 1 });
  }
}

function readNumber(reader: JsonReader, at: string, isSingle = false): number {
  const kind = reader.peek();
  if (kind === 'array' || kind === 'object') failAxis(at);
  if (kind !== 'number') refuse('GATEWAY_INPUT_VALUE', at, { problem: 'no number' });
  return isSingle ? reader.readSingle() : reader.readNumber();
}

function readTruth(reader: JsonReader, at: string): boolean {
  const kind = reader.peek();
  if (kind === 'array' || kind === 'object') failAxis(at);
  if (kind !== 'true' && kind !== 'false') refuse('GATEWAY_INPUT_VALUE', at, { problem: 'no truth value' });
  return reader.readBoolean();
}
