/** What a loaded model takes and gives, as callers may know it. */
import { GatewayError } from '../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import type { ValueInfo } from '../../model/types.ts';
import type { ModelSignature, TensorSignature } from '../ports.ts';

/**
 * Outputs that are no tensors (sequences and maps of classifiers) are left out, and never answered.
 * @throws GatewayError GATEWAY_MODEL_UNFIT when an input is no tensor of numbers, or there are more than can be asked for
 */
export function toSignature({ inputs, outputs }: Pick<RuntimeSession, 'inputs' | 'outputs'>): ModelSignature {
  const ins = inputs.map(findTensor);
  const outs = outputs.map(findTensor).filter((output) => output !== null);
  const unfit = inputs.find((_, at) => ins[at] === null);
  if (unfit !== undefined) throw new GatewayError('GATEWAY_MODEL_UNFIT', { fields: { input: unfit.name } });
  if (outs.length === 0 || Math.max(ins.length, outs.length) > GATEWAY_LIMITS.tensorsMax) {
    throw new GatewayError('GATEWAY_MODEL_UNFIT', { fields: { inputs: ins.length, outputs: outs.length } });
  }
  return { inputs: ins.filter((input) => input !== null), outputs: outs };
}

function findTensor({ name, dtype, shape }: ValueInfo): TensorSignature | null {
  if (dtype === null || dtype === 'string' || shape === null || shape.length > GATEWAY_LIMITS.rankMax) return null;
  return { name, dtype, shape: shape.map((length) => (typeof length === 'number' ? length : null)) };
}
