/** Embeds the mark at the strongest setting whose measured cost stays within the limit. */
import type { Topology } from '../../align/index.ts';
import { RuntimeError } from '../../core/errors.ts';
import { assertFidelity, type FidelityOutcome } from '../../fidelity/index.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { type Calibration, type EmbeddedMark, embedMark } from '../../watermark/index.ts';
import type { Services } from '../services.ts';
import type { RecipientRelease } from './recipient-step.ts';

/** Shares of the default strength that are tried in turn when the cost is too high. */
const TAU_SHARES = [1, 0.7, 0.5, 0.35, 0.25];

export interface MarkStepOptions {
  readonly model: Model;
  readonly ownSeed: Uint8Array;
  readonly ownerId: string;
  readonly originalDigest: Uint8Array;
  /** Of the model. */
  readonly topology: Topology;
  readonly calibration: Calibration | null;
  readonly tau: number | undefined;
  readonly unmeasured: boolean;
  /** Makes one recipient's copy of the marked one; null when the marked copy itself is released. */
  readonly release: ((mark: EmbeddedMark, markedPlan: RewritePlan) => RecipientRelease) | null;
  /** Measures what a plan costs. */
  readonly measure: (plan: RewritePlan) => Promise<FidelityOutcome>;
}

export interface MarkStepResult {
  readonly mark: EmbeddedMark;
  /** What is written. */
  readonly plan: RewritePlan;
  /** Null without a recipient. */
  readonly release: RecipientRelease | null;
  /** Why nothing showed that the copy answers alike with its neurons moved; null when it was shown, or nothing moved. */
  readonly orderUnchecked: string | null;
  readonly fidelity: FidelityOutcome;
  /** Strengths that cost too much, strongest first. */
  readonly refusedTaus: readonly number[];
}

/**
 * @throws WatermarkError WATERMARK_TOO_SMALL and others of `embedMark`
 * @throws RuntimeError FIDELITY_LOSS_ABOVE_LIMIT when every strength costs too much; FIDELITY_UNMEASURED unless allowed
 */
export async function markWithinLimit(
  services: Services,
  options: MarkStepOptions,
): Promise<Omit<MarkStepResult, 'orderUnchecked'>> {
  const strengths = options.tau === undefined ? TAU_SHARES.map((tauShare) => ({ tauShare })) : [{ tau: options.tau }];
  const refusedTaus: number[] = [];
  for (const [index, strength] of strengths.entries()) {
    const { model, topology, ownSeed, ownerId, originalDigest, calibration } = options;
    const given = { model, topology, ownSeed, ownerId, originalDigest, calibration, progress: services.progress };
    const mark = embedMark({ ...given, ...strength });
    const markedPlan = model.plan(mark.edits);
    const release = options.release?.(mark, markedPlan) ?? null;
    const plan = release?.plan ?? markedPlan;
    const fidelity = await options.measure(plan);
    if (fidelity.kind === 'unmeasured' && options.unmeasured) return { mark, plan, release, fidelity, refusedTaus };
    try {
      assertFidelity(fidelity);
      return { mark, plan, release, fidelity, refusedTaus };
    } catch (error) {
      const isTooCostly = error instanceof RuntimeError && error.code === 'FIDELITY_LOSS_ABOVE_LIMIT';
      if (!isTooCostly || index === strengths.length - 1) throw error;
      refusedTaus.push(mark.record.tau);
    }
  }
  throw new Error('internal error: no strength was tried');
}

/**
 * Relative weight noise after which 64 bits of evidence are still expected from hard bits: a block of L weights errs with
 * probability Q(tau * sqrt(L) / rho), and 64 bits stand while at most 56 of 256 bits (305 - 64 of 1,024 alike) err,
 * about 22 %, where Q^-1 is 0.776.
 */
export function toNoiseTolerance({ record }: EmbeddedMark): number {
  const blockWeights = record.weights / record.bits;
  return (record.tau * Math.sqrt(blockWeights)) / 0.776;
}
