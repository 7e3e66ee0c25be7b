/** What a request may ask of a model, by its declared signature. */
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import type { ModelSignature, NamedTensor, TensorSignature } from '../ports.ts';
import { findTensorDType, isTensorDType, type TensorDType, toDatatype } from './datatypes.ts';
import { lookAtValues } from './finite.ts';
import { refuse } from './refuse.ts';

/** What a request says of an input before its values. */
export interface InputHead {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** Index of the input of that name, which must not have been given yet. @throws GatewayError GATEWAY_INPUT_NAME */
export function findInput(
  signature: ModelSignature,
  name: string,
  given: readonly (NamedTensor | undefined)[],
  at: string,
): number {
  const { inputs } = signature;
  for (let i = 0; i < inputs.length; i++) {
    if (inputs[i].name !== name) continue;
    if (given[i] !== undefined) refuse('GATEWAY_INPUT_NAME', at, { problem: 'given twice' });
    return i;
  }
  refuse('GATEWAY_INPUT_NAME', at, { problem: 'no input of the model' });
}

/** @throws GatewayError GATEWAY_INPUT_DTYPE for another type than declared, and for BYTES */
export function checkDatatype(declared: TensorSignature, datatype: string, at: string): TensorDType {
  const dtype = findTensorDType(datatype);
  const expected = toInputDType(declared, at);
  if (dtype !== expected) refuse('GATEWAY_INPUT_DTYPE', at, { expected: toDatatype(expected).datatype });
  return expected;
}

/** Type of an input; models with inputs of other types (strings) are not asked here. @throws GatewayError GATEWAY_INPUT_DTYPE */
export function toInputDType(declared: TensorSignature, at: string): TensorDType {
  if (!isTensorDType(declared.dtype)) refuse('GATEWAY_INPUT_DTYPE', at, { problem: 'the model takes no numbers here' });
  return declared.dtype;
}

/**
 * Holds a shape against the declared one: as many axes, each of the declared length, none of them empty.
 * @throws GatewayError GATEWAY_INPUT_SHAPE | GATEWAY_BATCH_TOO_LARGE
 */
export function checkShape(declared: TensorSignature, shape: readonly number[], batchMax: number, at: string): void {
  const expected = declared.shape;
  if (shape.length !== expected.length) refuse('GATEWAY_INPUT_SHAPE', at, { expected: toText(expected) });
  let count = 1;
  for (let axis = 0; axis < expected.length; axis++) {
    const dim = shape[axis];
    const fixed = expected[axis];
    if (fixed === null ? !(dim >= 1) : dim !== fixed) refuse('GATEWAY_INPUT_SHAPE', at, { expected: toText(expected) });
    count *= dim;
  }
  if (expected.length > 0 && expected[0] === null && shape[0] > batchMax) {
    refuse('GATEWAY_BATCH_TOO_LARGE', at, { max: batchMax });
  }
  if (!(count <= GATEWAY_LIMITS.bodyBytesCeiling)) refuse('GATEWAY_INPUT_SHAPE', at, { expected: toText(expected) });
}

/** A declared shape in the words of the protocols: -1 where any length is taken. */
export function toText(shape: readonly (number | null)[]): string {
  return `[${shape.map((dim) => dim ?? -1).join(', ')}]`;
}

/**
 * Holds packed bytes against shape and type.
 * @returns whether a value is a negative zero
 * @throws GatewayError GATEWAY_INPUT_SHAPE for another length | GATEWAY_INPUT_VALUE for NaN, infinities, and BOOL beside 0 and 1
 */
export function checkBytes(dtype: TensorDType, shape: readonly number[], data: Uint8Array, at: string): boolean {
  let bytes: number = toDatatype(dtype).bytes;
  for (const dim of shape) bytes *= dim;
  if (data.length !== bytes) refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'another number of bytes than the shape' });
  const { badIndex, hasNegativeZero } = lookAtValues(dtype, data);
  if (badIndex >= 0) {
    const problem = dtype === 'bool' ? 'neither true nor false' : 'no finite number';
    refuse('GATEWAY_INPUT_VALUE', at, { problem, index: badIndex });
  }
  return hasNegativeZero;
}

/**
 * The inputs, complete, in the order of the signature, and how many rows they have together: inputs whose first axis is
 * free share it.
 * @throws GatewayError GATEWAY_INPUT_NAME for a missing one | GATEWAY_INPUT_SHAPE for different numbers of rows
 */
export function completeInputs(
  signature: ModelSignature,
  given: readonly (NamedTensor | undefined)[],
): { readonly inputs: readonly NamedTensor[]; readonly items: number } {
  let items = 0;
  for (let i = 0; i < signature.inputs.length; i++) {
    const declared = signature.inputs[i];
    const tensor = given[i];
    if (tensor === undefined) refuse('GATEWAY_INPUT_NAME', 'inputs', { problem: 'missing', name: declared.name });
    if (declared.shape.length === 0 || declared.shape[0] !== null) continue;
    if (items !== 0 && tensor.shape[0] !== items) {
      refuse('GATEWAY_INPUT_SHAPE', 'inputs', { problem: 'inputs of different numbers of rows' });
    }
    items = tensor.shape[0];
  }
  return { inputs: given as readonly NamedTensor[], items: items === 0 ? 1 : items };
}
