/** TensorProto and SparseTensorProto: which storage holds the data, and whether it is as long as it must be. */
import { type DType, findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import { SpanTensor } from '../span-tensor.ts';
import { isBytes, type OnnxContext } from './context.ts';
import { findOnnxDType, toTypedField } from './dtypes.ts';
import { toExternalSpan } from './external.ts';
import { StringTensor } from './string-tensor.ts';
import type { TensorDraft } from './tensor-draft.ts';
import { readTensorDraft } from './tensor-fields.ts';
import { TypedValues } from './typed.ts';
import { toEntryBytes, TypedTensor } from './typed-tensor.ts';
import type { Frame } from './wire.ts';

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
  const values = draft.findTyped(field.number) ?? new TypedValues(reader, field);
  assertSize(context, draft, base.byteLength / toEntryBytes(dtype), values.count);
  return new TypedTensor({ name, dtype, shape, elementCount, byteLength: base.byteLength, values });
}

const EXTERNAL = 1;

function assertSize(context: OnnxContext, draft: TensorDraft, expected: number, actual: number): void {
  if (expected === actual) return;
  throw context.reader.fail('ONNX_TENSOR_SIZE', draft.at, { tensor: draft.name, expected, actual });
}

/** Raw data alone, or one typed field alone, and that of the element type. */
function hasUsualStorage({ dataLocation, rawFrame, strings, typed }: TensorDraft, dtype: DType): boolean {
  if (dataLocation === EXTERNAL || strings.length > 0 || dtype === 'string') return false;
  if (rawFrame !== null) return typed.length === 0;
  return typed.length === 1 && typed[0].field.number === toTypedField(dtype).number;
}

/**
 * A second storage beside the one that runtimes read can carry hidden weights past checkers that look at the other.
 * A typed field that the element type does not use is such a storage too.
 */
function assertOneStorage(context: OnnxContext, draft: TensorDraft, dtype: DType): void {
  if (hasUsualStorage(draft, dtype)) return;
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
  const { name } = draft;
  const path = toName(name, draft.at);
  toTensor(context, draft, `${path}.values`);
  const dense = readTensor(context, indices, `${path}.indices`);
  if (dense.dtype !== 'i64') throw context.reader.fail('ONNX_SPARSE', at, { indices: dense.dtype });
  return name;
}
