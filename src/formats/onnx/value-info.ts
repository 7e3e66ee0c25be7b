/** ValueInfoProto: name, element type and shape of a value; other types than tensors have neither. */
import type { DType } from '../../model/dtype.ts';
import type { ValueInfo } from '../../model/types.ts';
import { isBytes, isVarint, type OnnxContext } from './context.ts';
import { findOnnxDType } from './dtypes.ts';
import { append, NOTHING } from './short-list.ts';
import { findSafeInt } from './varint.ts';
import { type Field, type Fields, WIRE } from './wire.ts';

type Shape = (number | string | null)[];

interface TypeDraft {
  dtype: DType | null;
  shape: Shape | null;
}

export function readValueInfo(context: OnnxContext, fields: Fields): ValueInfo {
  const at = fields.end;
  let name = '';
  const type: TypeDraft = { dtype: null, shape: null };
  while (fields.next()) {
    if (isBytes(fields, 1)) name = context.text(fields);
    else if (isBytes(fields, 2)) readType(context, context.enter(fields), type);
  }
  context.spend(160, at);
  return { name, dtype: type.dtype, shape: type.shape };
}

/** TypeProto is a oneof: a later member of another kind replaces a tensor type. */
function readType(context: OnnxContext, fields: Fields, into: TypeDraft): void {
  while (fields.next()) {
    if (isBytes(fields, 1)) readTensorType(context, context.enter(fields), into);
    else if (fields.wire === WIRE.bytes && [4, 5, 7, 8, 9].includes(fields.number)) {
      into.dtype = null;
      into.shape = null;
    }
  }
}

function readTensorType(context: OnnxContext, fields: Fields, into: TypeDraft): void {
  while (fields.next()) {
    if (isVarint(fields, 1)) into.dtype = findOnnxDType(fields.low | 0) ?? null;
    else if (isBytes(fields, 2)) into.shape = readShape(context, context.enter(fields), into.shape ?? NOTHING);
  }
}

/** @param shape what earlier parts of the message gave */
function readShape(context: OnnxContext, fields: Fields, shape: Shape): Shape {
  while (fields.next()) {
    if (!isBytes(fields, 1)) continue;
    context.spend(24, fields.tagStart);
    shape = append(shape, readDimension(context, context.enter(fields)));
  }
  return shape;
}

function readDimension(context: OnnxContext, fields: Fields): number | string | null {
  let dimension: number | string | null = null;
  while (fields.next()) {
    if (isVarint(fields, 1)) dimension = toKnownSize(fields);
    else if (isBytes(fields, 2)) dimension = context.text(fields);
  }
  return dimension;
}

/** Exporters write -1 for "unknown". */
function toKnownSize(field: Field): number | null {
  const value = findSafeInt(field.low, field.high);
  return value === undefined || value < 0 ? null : value;
}
