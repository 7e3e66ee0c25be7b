/** Tensor tables: types of values, and constants with the spans of their data. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { DTYPES, type DType, findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import type { TensorQuantization, TensorRef, ValueInfo } from '../../model/types.ts';
import { SpanTensor } from '../span-tensor.ts';
import type { TfliteContext } from './context.ts';
import { toExternalSpan } from './external.ts';
import { TENSOR, VARIANT } from './fields.ts';
import type { Table } from './flat.ts';
import { checkSparsity, readQuantization } from './quantization.ts';

/** Element types by their number; resources and variants (null) are handles, which have no elements. */
const TYPES: readonly (DType | null)[] = [
  ...(['f32', 'f16', 'i32', 'u8', 'i64', 'string', 'bool', 'i16', 'c64', 'i8', 'f64', 'c128', 'u64'] as const),
  ...[null, null],
  ...(['u32', 'u16', 'i4', 'bf16', 'i2', 'u4', 'f8e4m3fn', 'f8e5m2'] as const),
];

/** A tensor of a subgraph: its type, and when it is constant, its data. */
export interface TensorDraft {
  readonly value: ValueInfo;
  /** Null for values that are computed or fed, and for sparse ones. */
  readonly constant: TensorRef | null;
}

/**
 * Reads a tensor. A sparse one becomes a flat tensor `name.values` of what is stored.
 * @param localName unique in its subgraph
 * @param prefix "" for the main graph, else its path and "/"
 * @throws FormatError TFLITE_…
 */
export function readTensor(context: TfliteContext, table: Table, localName: string, prefix: string): TensorDraft {
  const { flat } = context;
  flat.spend(320 + 2 * localName.length, table.at);
  const type = table.int(TENSOR.type, 'i8');
  const dtype = TYPES.at(type < 0 ? TYPES.length : type);
  if (dtype === undefined) throw flat.fail('TFLITE_DTYPE', table.at, { tensor: localName, type });
  const shape = readShape(context, table, localName);
  const quantization = readQuantization(flat, table.table(TENSOR.quantization), shape.stored);
  for (const variant of table.tables(TENSOR.variantTensors)) variant.ints(VARIANT.shape);
  const sparsity = table.table(TENSOR.sparsity);
  if (sparsity !== null) checkSparsity(flat, sparsity, shape.stored);
  const value: ValueInfo = { name: localName, dtype, shape: shape.known };
  const place = findData(context, table, localName);
  if (place === null) return { value, constant: null };
  if (dtype === null) throw flat.fail('TFLITE_DTYPE', table.at, { tensor: localName, type });
  const name = context.names.claim(`${prefix}${localName}${sparsity === null ? '' : '.values'}`);
  const stored = { name, dtype, place, quantization, at: table.at };
  if (sparsity !== null) placeSparse(context, stored);
  return { value, constant: sparsity === null ? placeDense(context, stored, shape.stored) : null };
}

interface Shape {
  readonly stored: readonly number[];
  /** With null for dimensions that are known at run time only; null when not even their number is. */
  readonly known: readonly (number | null)[] | null;
}

function readShape({ flat }: TfliteContext, table: Table, tensor: string): Shape {
  const stored = table.ints(TENSOR.shape);
  const signature = table.ints(TENSOR.shapeSignature);
  const isLegal =
    stored.length <= FORMAT_LIMITS.dimensionsMax &&
    stored.every((dim) => dim >= 0) &&
    (signature.length === 0 || signature.length === stored.length) &&
    signature.every((dim) => dim >= -1);
  if (!isLegal) throw flat.fail('TFLITE_SHAPE', table.at, { tensor });
  if (signature.length > 0) return { stored, known: signature.map((dim) => (dim === -1 ? null : dim)) };
  const hasRank = stored.length > 0 || table.int(TENSOR.hasRank, 'bool') === 1;
  return { stored, known: hasRank ? stored : null };
}

interface DataPlace {
  readonly fileIndex: number;
  readonly start: number;
  readonly end: number;
}

/** Where the data of a constant lies; null for other tensors. */
function findData(context: TfliteContext, table: Table, tensor: string): DataPlace | null {
  const { flat, buffers } = context;
  const index = table.int(TENSOR.buffer, 'u32');
  const external = table.int(TENSOR.externalBuffer, 'u32');
  const buffer = buffers.at(index);
  if (buffer === undefined && index > 0) {
    throw flat.fail('TFLITE_INDEX', table.at, { tensor, buffer: index, buffers: buffers.length });
  }
  const isInside = buffer !== undefined && buffer.end > buffer.start;
  if (external === 0) return isInside ? { fileIndex: 0, start: buffer.start, end: buffer.end } : null;
  if (isInside) throw flat.fail('TFLITE_BUFFER', table.at, { tensor, buffer: index, external });
  return toExternalSpan(context, external, table.at);
}

interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly place: DataPlace;
  readonly quantization: TensorQuantization | null;
  readonly at: number;
}

function placeDense(context: TfliteContext, stored: StoredTensor, shape: readonly number[]): TensorRef {
  const { name, dtype, place, at } = stored;
  const { start, end } = place;
  const elementCount = findElementCount(shape);
  const expected = elementCount === undefined ? undefined : findPackedByteLength(dtype, elementCount);
  if (elementCount === undefined || expected === undefined) {
    throw context.flat.fail('TFLITE_SHAPE', at, { tensor: name });
  }
  if (dtype === 'string') checkStrings(context, stored, elementCount);
  else if (end - start !== expected) {
    throw context.flat.fail('TFLITE_TENSOR_SIZE', at, { tensor: name, expected, actual: end - start });
  }
  return placeSpan(context, stored, shape, elementCount);
}

/** What is stored of a sparse tensor: the values that are not zero, in their own order. */
function placeSparse(context: TfliteContext, stored: StoredTensor): void {
  const { name, dtype, place, at } = stored;
  const { bits } = DTYPES[dtype];
  const count = bits === 0 ? 0 : ((place.end - place.start) * 8) / bits;
  if (count === 0 || !Number.isInteger(count)) {
    throw context.flat.fail('TFLITE_TENSOR_SIZE', at, { tensor: name, actual: place.end - place.start });
  }
  placeSpan(context, stored, [count], count);
}

function placeSpan(context: TfliteContext, stored: StoredTensor, shape: readonly number[], elementCount: number) {
  const { name, dtype, place, quantization, at } = stored;
  const { fileIndex, start, end } = place;
  const { source } = context.files[fileIndex];
  const storage = fileIndex === 0 ? 'raw' : 'external';
  const layout = { name, dtype, shape, elementCount, start, end, quantization };
  return context.place(new SpanTensor(layout, { storage, fileIndex, source }), at);
}

/**
 * Texts are stored as their number, one offset more than texts, and their bytes. They are kept so: the logical bytes of
 * such a tensor are the buffer.
 */
function checkStrings(context: TfliteContext, { name, place, at }: StoredTensor, elementCount: number): void {
  const { flat, files } = context;
  const { fileIndex, start, end } = place;
  const { source } = files[fileIndex];
  const size = end - start;
  const head = new Uint8Array(4);
  if (size >= 8) source.read(start, head);
  const count = new DataView(head.buffer).getInt32(0, true);
  const textsStart = 4 * (elementCount + 2);
  if (size < 8 || count !== elementCount || textsStart > size) {
    throw flat.fail('TFLITE_STRING', at, { tensor: name, texts: count, expected: elementCount });
  }
  let last = textsStart;
  const block = new Uint8Array(Math.min(64 * 1024, textsStart - 4));
  for (let from = 4; from < textsStart; from += block.length) {
    const part = block.subarray(0, Math.min(block.length, textsStart - from));
    source.read(start + from, part);
    const view = new DataView(part.buffer, 0, part.length);
    for (let i = 0; i < part.length; i += 4) {
      const offset = view.getInt32(i, true);
      if (offset < last || offset > size) throw flat.fail('TFLITE_STRING', at, { tensor: name, textOffset: offset });
      last = offset;
    }
  }
}
