/** Inputs and outputs as the Open Inference Protocol declares them: in configurations, and by servers of themselves. */
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import type { TensorSignature } from '../ports.ts';
import { findTensorDType } from './datatypes.ts';

export interface DeclaredTensor {
  readonly name: string;
  readonly datatype: string;
  /** -1: any length. */
  readonly shape: readonly number[];
}

/** null for what is no declaration of a tensor; BYTES is a type that is handed on and not read. */
export function findDeclared({ name, datatype, shape }: DeclaredTensor): TensorSignature | null {
  const dtype = datatype === 'BYTES' ? 'string' : findTensorDType(datatype);
  const isShape =
    shape.length <= GATEWAY_LIMITS.rankMax && shape.every((length) => Number.isSafeInteger(length) && length >= -1);
  if (dtype === undefined || !isShape || name === '' || name.length > GATEWAY_LIMITS.nameCharsMax) return null;
  return { name, dtype, shape: shape.map((length) => (length === -1 ? null : length)) };
}
