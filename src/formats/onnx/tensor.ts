/** TensorProto and SparseTensorProto: which storage holds the data, and whether it is as long as it must be. */
import { type DType, findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { SpanTensor } from '../span-tensor.ts';
import { isBytes, isVarint, type OnnxContext } from './context.ts';
import { findOnnxDType, findTypedField, STRING_DATA_NUMBER, toTypedField } from './dtypes.ts';
import { toExternalSpan } from './external.ts';
import { append, NOTHING } from './short-list.ts';
import { StringTensor } from './string-tensor.ts';
import { TypedValues } from './typed.ts';
import { toEntryBytes, TypedTensor } from './typed-tensor.ts';
import { findSafeInt } from './varint.ts';
import { type Fields, type Frame, WIRE } from './wire.ts';

/** TensorProto as it lies in the file, before it is judged. */
export interface TensorDraft {
  readonly at: number;
  readonly parts: readonly Frame[];
  name: string;
  dtypeCode: number;
  dataLocation: number;
  shape: number[];
  /** Span of the raw data; -1 for none. */
  rawStart: number;
  rawEnd: number;
  rawFrame: Frame | null;
  /** One per typed field that occurs; most tensors have none. */
  typed: TypedValues[];
  /** Frame of the first typed entry. */
  typedFrame: Frame | null;
  /** Spans of the strings, start and end in turn. */
  strings: number[];
  external: (readonly [string, string])[];
}

/**
 * Reads a tensor.
 * @param parts the message, in as many parts as it occurs
 * @param wanted its path in the model; made unique here
 * @throws FormatError as {@link readTensorDraft} and {@link toTensor}
 */
export function readTensor(context: OnnxContext, parts: readonly Frame[], wanted: string): TensorRef {
  return toTensor(context, readTensorDraft(context, parts), wanted);
}

/**
 * The tensor of a draft, placed in the model.
 * @param wanted its path in the model; made unique here
 * @throws FormatError ONNX_DTYPE | ONNX_DIMENSIONS | ONNX_STORAGE | ONNX_TENSOR_SIZE | ONNX_EXTERNAL…
 */
export function toTensor(context: OnnxContext, draft: TensorDraft, wanted: string): TensorRef {
  const { reader } = context;
  const { at, shape, parts } = draft;
  const dtype = findOnnxDType(draft.dtypeCode);
  if (dtype === undefined) throw reader.fail('ONNX_DTYPE', at, { dtype: draft.dtypeCode });
  const elementCount = findElementCount(shape);
  const byteLength = elementCount === undefined ? undefined : findPackedByteLength(dtype, elementCount);
  if (elementCount === undefined || byteLength === undefined) throw reader.fail('ONNX_DIMENSIONS', at, { shape });
  assertOneStorage(context, draft, dtype);
  const name = context.claimName(wanted);
  const tensor = toStoredTensor(context, draft, { name, dtype, shape, elementCount, byteLength });
  const frame = draft.rawFrame ?? draft.typedFrame ?? parts[parts.length - 1];
  return context.place({ tensor, frame, at, isWholeMessage: parts.length === 1 });
}

interface TensorBase {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly byteLength: number;
}

function toStoredTensor(context: OnnxContext, draft: TensorDraft, base: TensorBase): TensorRef {
  const { reader, external } = context;
  const { name, dtype, shape, elementCount } = base;
  if (draft.dataLocation === EXTERNAL) {
    if (dtype === 'string') throw reader.fail('ONNX_STORAGE', draft.at, { tensor: name });
    const span = toExternalSpan(context, draft.external, base.byteLength, draft.at);
    const { fileIndex, start, end } = span;
    const { source } = external.files[fileIndex];
    return new SpanTensor({ ...base, start, end }, { storage: 'external', fileIndex, source });
  }
  if (dtype === 'string') {
    assertSize(context, draft, elementCount, draft.strings.length / 2);
    return new StringTensor(reader, name, shape, draft.strings);
  }
  if (draft.rawFrame !== null) {
    const { rawStart: start, rawEnd: end } = draft;
    assertSize(context, draft, base.byteLength, end - start);
    return new SpanTensor({ name, dtype, shape, elementCount, start, end }, context.mainPlace);
  }
  const field = toTypedField(dtype);
  const values = findTyped(draft, field.number) ?? new TypedValues(reader, field);
  assertSize(context, draft, base.byteLength / toEntryBytes(dtype), values.count);
  return new TypedTensor({ name, dtype, shape, elementCount, byteLength: base.byteLength, values });
}

const EXTERNAL = 1;

function assertSize(context: OnnxContext, draft: TensorDraft, expected: number, actual: number): void {
  if (expected === actual) return;
  throw context.reader.fail('ONNX_TENSOR_SIZE', draft.at, { tensor: draft.name, expected, actual });
}

/**
 * A second storage beside the one that runtimes read can carry hidden weights past checkers that look at the other.
 * A typed field that the element type does not use is such a storage too.
 */
function assertOneStorage(context: OnnxContext, draft: TensorDraft, dtype: DType): void {
  // The usual tensor: raw data alone.
  const isPlain = draft.rawFrame !== null && draft.typed.length === 0 && draft.strings.length === 0;
  if (isPlain && draft.dataLocation !== EXTERNAL && dtype !== 'string') return;
  const typed = draft.typed.filter(({ count }) => count > 0);
  const used: string[] = typed.map(({ field }) => `field ${field.number}`);
  if (draft.strings.length > 0) used.push('string_data');
  if (draft.rawFrame !== null && (draft.rawEnd > draft.rawStart || used.length > 0)) used.push('raw_data');
  if (draft.dataLocation === EXTERNAL) used.push('external');
  const isMisfit =
    typed.some(({ field }) => dtype === 'string' || field.number !== toTypedField(dtype).number) ||
    (draft.strings.length > 0 && dtype !== 'string') ||
    (dtype === 'string' && used.includes('raw_data'));
  if (used.length > 1 || isMisfit) throw context.reader.fail('ONNX_STORAGE', draft.at, { tensor: draft.name, used });
}

/**
 * Reads a TensorProto; its data is not looked at.
 * @param parts the message, in as many parts as it occurs
 * @throws FormatError ONNX_DIMENSIONS | ONNX_SEGMENT | ONNX_WIRE
 */
export function readTensorDraft(context: OnnxContext, parts: readonly Frame[]): TensorDraft {
  const draft: TensorDraft = {
    at: parts[0].start,
    parts,
    name: '',
    dtypeCode: 0,
    dataLocation: 0,
    shape: NOTHING,
    rawStart: -1,
    rawEnd: -1,
    rawFrame: null,
    typed: NOTHING,
    typedFrame: null,
    strings: NOTHING,
    external: NOTHING,
  };
  for (const frame of parts) {
    const fields = context.reader.walk(frame);
    while (fields.next()) {
      if (fields.number === 1) readDims(context, draft, fields);
      else readTensorField(context, draft, frame, fields);
    }
  }
  return draft;
}

/** Adds the dimensions of one field, packed or not. @throws FormatError ONNX_DIMENSIONS */
function readDims(context: OnnxContext, draft: TensorDraft, fields: Fields): void {
  const { reader } = context;
  if (fields.wire === WIRE.varint) addDimension(context, draft, fields.low, fields.high, fields.tagStart);
  else if (fields.wire === WIRE.bytes) {
    for (let at = fields.start; at < fields.end; ) {
      at = reader.varint(at, fields.end);
      addDimension(context, draft, reader.low, reader.high, fields.tagStart);
    }
  }
}

function addDimension(context: OnnxContext, draft: TensorDraft, low: number, high: number, at: number): void {
  draft.shape = append(draft.shape, findSafeInt(low, high) ?? -1);
  if (draft.shape.length > FORMAT_LIMITS.dimensionsMax) {
    throw context.reader.fail('ONNX_DIMENSIONS', at, { rankMax: FORMAT_LIMITS.dimensionsMax });
  }
}

function findTyped(draft: TensorDraft, number: number): TypedValues | undefined {
  return draft.typed.find(({ field }) => field.number === number);
}

function readTensorField(context: OnnxContext, draft: TensorDraft, frame: Frame, fields: Fields): void {
  const typedField = findTypedField(fields.number);
  if (typedField !== undefined) {
    let values = findTyped(draft, fields.number);
    if (values === undefined) draft.typed = append(draft.typed, (values = new TypedValues(context.reader, typedField)));
    values.add(fields, context.spend);
    draft.typedFrame ??= frame;
  } else if (isVarint(fields, 2)) draft.dtypeCode = fields.low | 0;
  else if (isBytes(fields, 3)) throw context.reader.fail('ONNX_SEGMENT', fields.tagStart);
  else if (isBytes(fields, STRING_DATA_NUMBER)) {
    context.spend(64, fields.tagStart);
    draft.strings = append(append(draft.strings, fields.start), fields.end);
  } else if (isBytes(fields, 8)) draft.name = context.text(fields);
  else if (isBytes(fields, 9)) {
    draft.rawStart = fields.start;
    draft.rawEnd = fields.end;
    draft.rawFrame = frame;
  } else if (isBytes(fields, 13)) draft.external = append(draft.external, readEntry(context, context.enter(fields)));
  else if (isVarint(fields, 14)) draft.dataLocation = fields.low | 0;
}

/** StringStringEntryProto. */
export function readEntry(context: OnnxContext, fields: Fields): readonly [string, string] {
  context.spend(160, fields.end);
  let key = '';
  let value = '';
  while (fields.next()) {
    if (isBytes(fields, 1)) key = context.text(fields);
    else if (isBytes(fields, 2)) value = context.text(fields);
  }
  return [key, value];
}

/**
 * Reads a sparse tensor as two dense ones, "NAME.values" and "NAME.indices".
 * @param toName its path in the model, from the name that the message gives it
 * @returns the name of the value that it defines
 * @throws FormatError ONNX_SPARSE and those of {@link readTensor}
 */
export function readSparseTensor(
  context: OnnxContext,
  frames: readonly Frame[],
  toName: (ownName: string, at: number) => string,
): string {
  const values: Frame[] = [];
  const indices: Frame[] = [];
  for (const frame of frames) {
    const fields = context.reader.walk(frame);
    while (fields.next()) {
      if (isBytes(fields, 1)) values.push(context.toInnerFrame(fields));
      else if (isBytes(fields, 2)) indices.push(context.toInnerFrame(fields));
    }
  }
  const at = frames[0].start;
  if (values.length === 0 || indices.length === 0) throw context.reader.fail('ONNX_SPARSE', at);
  const draft = readTensorDraft(context, values);
  const path = toName(draft.name, draft.at);
  toTensor(context, draft, `${path}.values`);
  const dense = readTensor(context, indices, `${path}.indices`);
  if (dense.dtype !== 'i64') throw context.reader.fail('ONNX_SPARSE', at, { indices: dense.dtype });
  return draft.name;
}
