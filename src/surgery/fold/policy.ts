/** Which nodes may be folded, and how large a folded value may be. */
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';
import { findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import type { NodeRecord } from '../../model/document.ts';
import type { InferredType } from '../infer/types.ts';

/**
 * Never folded: what is random, what quantises (runtimes look for these nodes to use integer kernels), constants
 * themselves, and values that are no tensors. Control flow is told by its subgraphs.
 */
const NEVER: ReadonlySet<string> = new Set([
  'Bernoulli',
  'Constant',
  'DequantizeLinear',
  'Dropout',
  'DynamicQuantizeLinear',
  'If',
  'Loop',
  'Multinomial',
  'Optional',
  'OptionalGetElement',
  'OptionalHasElement',
  'QuantizeLinear',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Scan',
  'SequenceMap',
]);

export function isFoldable({ attributes, domain, op, outputs }: NodeRecord): boolean {
  if (domain !== '' || NEVER.has(op) || op.startsWith('Sequence') || outputs.every((name) => name === '')) return false;
  return [...attributes.values()].every(({ kind }) => kind !== 'graph' && kind !== 'graphs' && kind !== 'other');
}

/** Bytes of a value when its type and shape are known. */
export function findByteLength(type: InferredType | undefined): number | undefined {
  if (type?.kind !== 'tensor' || type.dtype === null || type.dtype === 'string') return undefined;
  const shape = type.shape?.every((dim) => typeof dim === 'number') === true ? type.shape : null;
  const count = shape === null ? undefined : findElementCount(shape);
  return count === undefined ? undefined : findPackedByteLength(type.dtype, count);
}

/** False when a value of `bytes` would weigh more than it saves, being computed from `inputBytes`. */
export function isWorthwhile(bytes: number, inputBytes: number): boolean {
  return bytes <= SURGERY_LIMITS.foldValueBytesMax && bytes - inputBytes <= SURGERY_LIMITS.foldGrowthBytesMax;
}
