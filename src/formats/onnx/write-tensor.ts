/** TensorProto written for a document: kept, renamed, patched where it lies, stored another way, or made anew. */
import { FormatError } from '../../core/errors.ts';
import { concatBytes } from '../../core/bytes.ts';
import { EditedTensor } from '../../model/tensors.ts';
import type { TensorRef } from '../../model/types.ts';
import { toTensorSource } from '../tensor-source.ts';
import { toSpanReplacement } from '../edits.ts';
import { STRING_DATA_NUMBER, toOnnxCode, toTypedField, TYPED_FIELDS } from './dtypes.ts';
import type { OpList } from './op-list.ts';
import { toTypedFieldOps, TypedTensor, toTypedReplacementOps } from './typed-tensor.ts';
import { type FieldPlan, toTextPlan, toWholePlan, weaveMessage } from './weave.ts';
import { toLengthVarint, toTag, toVarint } from './varint.ts';
import { WIRE } from './wire.ts';
import type { WriteContext } from './write-context.ts';

/** Fields that hold elements, or say where they are: of these, one at most may be left. */
const DATA_NUMBERS = [...TYPED_FIELDS.map(({ number }) => number), STRING_DATA_NUMBER, 9, 13, 14];

/**
 * Appends the content of a TensorProto.
 * @param name its name, or null to leave the one that it has
 * @throws FormatError FORMAT_EDIT_UNSUPPORTED for element types that ONNX has no code for
 */
export function writeTensor(context: WriteContext, name: string | null, tensor: TensorRef, out: OpList): void {
  const base = tensor instanceof EditedTensor ? tensor.base : tensor;
  const place = context.findTensorPlace(base);
  const names = name === null ? [] : [toTextPlan(8, [name])];
  if (place === null) {
    weaveMessage(context.findReader, null, [...toHeadPlans(tensor), ...names, toDataPlan(tensor)], out);
    return;
  }
  const isInPlace = tensor.storage === base.storage && (tensor.storage !== 'external' || context.isOwn(base));
  const data = isInPlace ? toPatchPlans(context, tensor, base) : toNewDataPlans(tensor);
  weaveMessage(context.findReader, place, [...names, ...data], out);
}

function toHeadPlans(tensor: TensorRef): FieldPlan[] {
  const code = toOnnxCode(tensor.dtype);
  if (code === undefined) {
    throw new FormatError('FORMAT_EDIT_UNSUPPORTED', { fields: { tensor: tensor.name, dtype: tensor.dtype } });
  }
  const dims = tensor.shape.map((dim) => concatBytes(toTag(1, WIRE.varint), toLengthVarint(dim)));
  return [toWholePlan(1, ...dims), toWholePlan(2, toTag(2, WIRE.varint), toVarint(code, 0))];
}

/** Every storage but the new one goes: a second one would be refused by the reader. */
function toNewDataPlans(tensor: TensorRef): FieldPlan[] {
  const data = toDataPlan(tensor);
  return [...DATA_NUMBERS.filter((number) => number !== data.number).map((number) => toWholePlan(number)), data];
}

function toDataPlan(tensor: TensorRef): FieldPlan {
  if (tensor.dtype === 'string') return toStringPlan(tensor);
  if (tensor.storage === 'typed') {
    const field = toTypedField(tensor.dtype);
    const write = (out: OpList): void => {
      out.push(toTypedFieldOps(tensor, field));
    };
    return { number: field.number, items: [{ place: null, isSame: false, write, whole: true }], isAnyWire: true };
  }
  const source = toTensorSource(tensor);
  const write = (out: OpList): void => {
    out.keep(source, 0, tensor.byteLength);
  };
  return { number: 9, items: [{ place: null, isSame: false, write }] };
}

/** Strings are few and short: they are copied. */
function toStringPlan(tensor: TensorRef): FieldPlan {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const view = new DataView(bytes.buffer);
  const items = [];
  for (let at = 0; at < bytes.length; ) {
    const content = bytes.subarray(at + 4, at + 4 + view.getUint32(at, true));
    at += 4 + content.length;
    const write = (out: OpList): void => {
      out.bytes(content);
    };
    items.push({ place: null, isSame: false, write });
  }
  return { number: STRING_DATA_NUMBER, items };
}

/** The elements where they lie, changed by the patch while they stream. */
function toPatchPlans(context: WriteContext, tensor: TensorRef, base: TensorRef): FieldPlan[] {
  const patch = tensor instanceof EditedTensor ? tensor.patch : null;
  if (patch === null || base.byteLength === 0) return [];
  if (base.dtype === 'string') return [toStringPlan(tensor)];
  if (base.storage === 'external') {
    context.patchExternal(base, patch);
    return [];
  }
  if (base instanceof TypedTensor) {
    const write = (out: OpList): void => {
      out.push(toTypedReplacementOps(base, patch));
    };
    const items = [{ place: null, isSame: false, write, whole: true as const }];
    return [{ number: base.values.field.number, items, isAnyWire: true }];
  }
  const { source } = context.findTensorPlace(base)!;
  const write = (out: OpList): void => {
    out.push(toSpanReplacement(source, base, patch).ops);
  };
  return [{ number: 9, items: [{ place: null, isSame: false, write }] }];
}
