/** What a mark costs: the original and the marked model run on the same inputs, and every output compared. */
import { type ErrorCode, RuntimeError } from '../core/errors.ts';
import type { Progress } from '../core/ports.ts';
import type { Runtime, RuntimeModel, RuntimeSession } from '../model/runtime.ts';
import type { Graph } from '../model/types.ts';
import { compareRuns, refuseMarked } from './compare.ts';
import type { Fit, Scale } from './data/fit.ts';
import type { LabelledData } from './data/types.ts';
import { type FeedSource, feedProbes, feedSamples } from './feeds.ts';
import { type FidelityRecord, toRecord } from './record.ts';

export interface MeasureOptions {
  readonly runtime: Runtime;
  readonly original: RuntimeModel;
  readonly marked: RuntimeModel;
  /** Graph of the original, for probes; null when unknown. */
  readonly graph: Graph | null;
  /** Labelled samples, or null for probes. The caller closes them. */
  readonly data: LabelledData | null;
  /** Largest accepted loss of accuracy in percentage points, 0.1 unless told. */
  readonly limitPoints?: number;
  /** Scale of byte images; 'auto' takes the one with which the original is most accurate. */
  readonly scale?: Scale | 'auto';
  /** How many probes, 32 unless told. */
  readonly probes?: number;
  /** Any text; fixes the probes. */
  readonly seed?: string;
  readonly progress?: Progress;
}

export type FidelityOutcome =
  | { readonly kind: 'measured'; readonly fidelity: FidelityRecord }
  | { readonly kind: 'unmeasured'; readonly fidelity: null; readonly reason: string; readonly code: ErrorCode };

const limitPointsDefault = 0.1;
const probesDefault = 32;
/** Samples on which 'auto' compares scales. */
const scaleSamplesMax = 256;

const SCALE_WORDS: Readonly<Record<Scale, string>> = {
  none: '',
  unit: ', values / 255',
  signed: ', values / 127.5 - 1',
  imagenet: ', values scaled by the means and deviations of ImageNet',
};

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
  let inputs: { source: FeedSource; words: string };
  try {
    inputs = data === null ? await findProbes(original, options) : await findSamples(original, options, data);
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

async function findProbes(
  original: RuntimeSession,
  { graph, probes = probesDefault, seed = 'default' }: MeasureOptions,
): Promise<{ source: FeedSource; words: string }> {
  return { source: await feedProbes(original, graph, { count: probes, seed }), words: 'seeded probes' };
}

async function findSamples(
  original: RuntimeSession,
  options: MeasureOptions,
  data: LabelledData,
): Promise<{ source: FeedSource; words: string }> {
  const { fit, toSource } = await feedSamples(original, options.graph, data);
  const asked = options.scale ?? 'auto';
  const scale = asked === 'auto' ? await chooseScale(original, fit, toSource, data) : asked;
  return { source: toSource(scale), words: `${data.format} data${SCALE_WORDS[scale]}` };
}

/** The scale with which the original is most accurate on the first samples; the marked model is not asked. */
async function chooseScale(
  original: RuntimeSession,
  fit: Fit,
  toSource: (scale: Scale) => FeedSource,
  data: LabelledData,
): Promise<Scale> {
  let best: { scale: Scale; right: number } = { scale: fit.scales[0], right: -1 };
  if (fit.scales.length === 1) return best.scale;
  for (const scale of fit.scales) {
    const source = toSource(scale);
    const first = { ...source, samples: Math.min(source.samples, scaleSamplesMax) };
    const compared = await compareRuns({ original, marked: original, source: first, labels: data.labels });
    const right = compared.counts?.rightOriginal ?? 0;
    if (right > best.right) best = { scale, right };
  }
  return best.scale;
}
