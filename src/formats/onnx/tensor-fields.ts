/** The fields of TensorProto. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { isBytes, isVarint, type OnnxContext } from './context.ts';
import { findTypedField, STRING_DATA_NUMBER } from './dtypes.ts';
import { readEntry } from './entry.ts';
import { append } from './short-list.ts';
import type { TensorDraft } from './tensor-draft.ts';
import { TypedValues } from './typed.ts';
import { findSafeInt } from './varint.ts';
import { type Fields, type Frame, WIRE } from './wire.ts';

/**
 * Reads a TensorProto; its data is not looked at. The draft is that of the context: valid until the next tensor.
 * @param parts the message, in as many parts as it occurs
 * @throws FormatError ONNX_DIMENSIONS | ONNX_SEGMENT | ONNX_WIRE
 */
export function readTensorDraft(context: OnnxContext, parts: readonly Frame[]): TensorDraft {
  const draft = context.tensorDraft.begin(parts);
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

function readTensorField(context: OnnxContext, draft: TensorDraft, frame: Frame, fields: Fields): void {
  const typedField = findTypedField(fields.number);
  if (typedField !== undefined) {
    let values = draft.findTyped(fields.number);
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
