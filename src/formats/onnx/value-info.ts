/** ValueInfoProto: name, element type and shape of a value; other types than tensors have neither. */
import type { DType } from '../../model/dtype.ts';
import type { ValueInfo } from '../../model/types.ts';
import { isBytes, isVarint, type OnnxContext } from './context.ts';
import { findOnnxDType } from './dtypes.ts';
import { type Field, findSafeInt, type Frame, WIRE } from './wire.ts';

type Shape = (number | string | null)[];

interface TypeDraft {
  dtype: DType | null;
  shape: Shape | null;
}

export function readValueInfo(context: OnnxContext, frame: Frame): ValueInfo {
  let name = '';
  const type: TypeDraft = { dtype: null, shape: null };
  context.reader.eachField(frame, (field) => {
    if (isBytes(field, 1)) name = context.text(field);
    else if (isBytes(field, 2)) readType(context, context.enter(frame, field), type);
  });
  context.spend(160, frame.start);
  return { name, dtype: type.dtype, shape: type.shape };
}

/** TypeProto is a oneof: a later member of another kind replaces a tensor type. */
function readType(context: OnnxContext, frame: Frame, into: TypeDraft): void {
  context.reader.eachField(frame, (field) => {
    if (isBytes(field, 1)) readTensorType(context, context.enter(frame, field), into);
    else if (field.wire === WIRE.bytes && [4, 5, 7, 8, 9].includes(field.number)) {
      into.dtype = null;
      into.shape = null;
    }
  });
}

function readTensorType(context: OnnxContext, frame: Frame, into: TypeDraft): void {
  context.reader.eachField(frame, (field) => {
    if (isVarint(field, 1)) into.dtype = findOnnxDType(field.low | 0) ?? null;
    else if (isBytes(field, 2)) {
      into.shape ??= [];
      readShape(context, context.enter(frame, field), into.shape);
    }
  });
}

function readShape(context: OnnxContext, frame: Frame, into: Shape): void {
  context.reader.eachField(frame, (field) => {
    if (!isBytes(field, 1)) return;
    context.spend(24, field.tagStart);
    into.push(readDimension(context, context.enter(frame, field)));
  });
}

function readDimension(context: OnnxContext, frame: Frame): number | string | null {
  let dimension: number | string | null = null;
  context.reader.eachField(frame, (field: Field) => {
    if (isVarint(field, 1)) dimension = toKnownSize(field);
    else if (isBytes(field, 2)) dimension = context.text(field);
  });
  return dimension;
}

/** Exporters write -1 for "unknown". */
function toKnownSize(field: Field): number | null {
  const value = findSafeInt(field.low, field.high);
  return value === undefined || value < 0 ? null : value;
}
