/** The two refusals that follow from a measurement. */
import { RuntimeError } from '../core/errors.ts';
import type { FidelityOutcome } from './measure.ts';

/**
 * Lets a measurement pass that shows no loss above its limit.
 * @throws RuntimeError FIDELITY_LOSS_ABOVE_LIMIT | FIDELITY_UNMEASURED
 */
export function assertFidelity(outcome: FidelityOutcome): void {
  if (outcome.kind === 'unmeasured') {
    throw new RuntimeError('FIDELITY_UNMEASURED', { fields: { reason: outcome.reason, because: outcome.code } });
  }
  const { isOverLimit, lossPoints, limitPoints, samples } = outcome.fidelity;
  if (!isOverLimit || lossPoints === null) return;
  const { estimate, low, high } = lossPoints;
  throw new RuntimeError('FIDELITY_LOSS_ABOVE_LIMIT', { fields: { estimate, low, high, limitPoints, samples } });
}
