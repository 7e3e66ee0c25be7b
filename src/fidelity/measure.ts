/** What a mark costs: the original and the marked model run on the same inputs, and every output compared. */
import { type ErrorCode, RuntimeError } from '../core/errors.ts';
import type { Progress } from '../core/ports.ts';
import type { Runtime, RuntimeModel, RuntimeSession } from '../model/runtime.ts';
import { compareRuns, refuseMarked } from './compare.ts';
import { findInputs, type InputOptions, type Inputs } from './inputs.ts';
import { type FidelityRecord, toRecord } from './record.ts';

export interface MeasureOptions extends InputOptions {
  readonly runtime: Runtime;
  readonly original: RuntimeModel;
  readonly marked: RuntimeModel;
  /** Largest accepted loss of accuracy in percentage points, 0.1 unless told. */
  readonly limitPoints?: number;
  readonly progress?: Progress;
}

export type FidelityOutcome =
  | { readonly kind: 'measured'; readonly fidelity: FidelityRecord }
  | { readonly kind: 'unmeasured'; readonly fidelity: null; readonly reason: string; readonly code: ErrorCode };

const limitPointsDefault = 0.1;

/**
 * Runs both models and compares them. With labels: accuracy on the same samples, and a 95 % interval of its loss; with
 * none: agreement and distance on seeded probes.
 *
 * Precondition: `original` and `marked` have equal graphs. `isOverLimit` rejects the null hypothesis "the loss is at
 * most `limitPoints`" with a false-alarm rate of 2.5 % (Tango's paired score interval, two-sided 95 %).
 * @returns 'unmeasured' with the reason when the original cannot be run
 * @throws RuntimeError with field `model` = "marked" when the original runs and the marked one does not;
 *   DATA_SHAPE_MISMATCH | DATA_MALFORMED | DATA_TOO_LARGE when the data does not fit or cannot be read; SourceError
 */
export async function measureFidelity(options: MeasureOptions): Promise<FidelityOutcome> {
  let original: RuntimeSession;
  try {
    original = await options.runtime.load(options.original);
  } catch (error) {
    return toUnmeasured(error);
  }
  try {
    return await measureWith(original, options);
  } finally {
    await original.release();
  }
}

/** Reasons to go without a measurement lie in the original; everything else is an error. */
function toUnmeasured(error: unknown): FidelityOutcome {
  const isReason = error instanceof RuntimeError && error.code.startsWith('RUNTIME_');
  if (!isReason) throw error;
  const detail = typeof error.fields.reason === 'string' ? ` (${error.fields.reason})` : '';
  return {
    kind: 'unmeasured',
    fidelity: null,
    reason: `${error.message.replace(/\.$/, '')}${detail}`,
    code: error.code,
  };
}

async function measureWith(original: RuntimeSession, options: MeasureOptions): Promise<FidelityOutcome> {
  const { runtime, data, limitPoints = limitPointsDefault } = options;
  let inputs: Inputs;
  try {
    inputs = await findInputs(original, options);
  } catch (error) {
    return toUnmeasured(error);
  }
  const marked = await runtime.load(options.marked).catch(refuseMarked);
  try {
    const labels = data?.labels ?? null;
    const { progress } = options;
    const compared = await compareRuns({
      original,
      marked,
      source: inputs.source,
      labels,
      ...(progress && { progress }),
    });
    const facts = {
      runtime: `${runtime.id} ${runtime.version}`,
      inputs: inputs.words,
      hasLabels: data !== null,
      limitPoints,
    };
    return { kind: 'measured', fidelity: toRecord(compared, facts) };
  } catch (error) {
    if (error instanceof RuntimeError && error.fields.model === 'marked') throw error;
    return toUnmeasured(error);
  } finally {
    await marked.release();
  }
}
