/** What an output mark costs: outputs, accuracy, time and size, before and after, on the same inputs. */
import { RuntimeError } from '../../core/errors.ts';
import type { Clock, Progress } from '../../core/ports.ts';
import { type FidelityRecord, findInputs, type LabelledData, measureFidelity } from '../../fidelity/index.ts';
import type { Runtime, RuntimeModel, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { Graph } from '../../model/types.ts';
import { type LatencyRatio, measureLatencyRatio } from '../latency.ts';
import { compareOutputs, type OutputChange, OutputTally } from './output-tally.ts';

export interface EffectOptions {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly original: RuntimeModel;
  readonly marked: RuntimeModel;
  readonly graph: Graph | null;
  /** Labelled data, or null for probes. */
  readonly data: LabelledData | null;
  /** One recorded input, by the names of the inputs or nameless, that pictures and times are taken on; null for none. */
  readonly input: ReadonlyMap<string, RuntimeTensor> | null;
  readonly progress: Progress;
}

/** What one run gave, for pictures. */
export interface Shown {
  readonly feeds: ReadonlyMap<string, RuntimeTensor>;
  readonly before: ReadonlyMap<string, RuntimeTensor>;
  readonly after: ReadonlyMap<string, RuntimeTensor>;
}

export interface Effect {
  /** Such as "onnxruntime-node 1.30.0". */
  readonly runtime: string;
  /** Where the inputs came from. */
  readonly inputs: string;
  readonly samples: number;
  readonly outputs: readonly OutputChange[];
  /** Null without labels. */
  readonly accuracy: Pick<FidelityRecord, 'accuracyOriginal' | 'accuracyMarked' | 'lossPoints'> | null;
  readonly latency: LatencyRatio;
}

export type EffectOutcome =
  | { readonly kind: 'measured'; readonly effect: Effect; readonly shown: Shown }
  | { readonly kind: 'unmeasured'; readonly reason: string };

/** Samples whose outputs are compared; accuracy is measured on all. */
const SAMPLES_MAX = 64;

/**
 * Reasons to go without a measurement lie in the original: it has no runtime, or probes do not suit it.
 * @throws RuntimeError with field `by` = "marked model" when only that fails, "given input" when that does not fit
 */
export async function measureEffect(options: EffectOptions): Promise<EffectOutcome> {
  try {
    return { kind: 'measured', ...(await measure(options)) };
  } catch (error) {
    const isReason = error instanceof RuntimeError && error.code.startsWith('RUNTIME_') && !('by' in error.fields);
    if (!isReason) throw error;
    return { kind: 'unmeasured', reason: error.message };
  }
}

async function measure(options: EffectOptions): Promise<{ effect: Effect; shown: Shown }> {
  const { runtime, clock, data, graph } = options;
  const original = await runtime.load(options.original);
  try {
    const marked = await runtime.load(options.marked).catch(blame('marked model'));
    try {
      const inputs = await findInputs(original, { graph, data });
      const { samples, outputs, shown: first } = await compareRuns(original, marked, inputs.source, options.progress);
      const shown = options.input === null ? first : await show(original, marked, options.input);
      const latency = await measureLatencyRatio({ before: original, after: marked, feeds: shown.feeds, clock });
      const accuracy = await measureAccuracy(options, outputs);
      const words = { runtime: `${runtime.id} ${runtime.version}`, inputs: inputs.words };
      return { effect: { ...words, samples, outputs, accuracy, latency }, shown };
    } finally {
      await marked.release();
    }
  } finally {
    await original.release();
  }
}

async function compareRuns(
  original: RuntimeSession,
  marked: RuntimeSession,
  source: Awaited<ReturnType<typeof findInputs>>['source'],
  progress: Progress,
): Promise<{ samples: number; outputs: readonly OutputChange[]; shown: Shown }> {
  const samples = Math.min(SAMPLES_MAX, source.samples);
  const tallies = new Map<string, OutputTally>();
  let shown: Shown | undefined;
  progress.step('compare outputs', samples, 'items');
  for (let start = 0; start < samples; start += source.step) {
    const count = Math.min(source.step, source.samples - start);
    const feeds = source.make(start, count);
    const before = await original.run(feeds);
    const after = await marked.run(feeds).catch(blame('marked model'));
    shown ??= { feeds, before, after };
    compareOutputs(tallies, before, after);
    progress.advance(count);
  }
  progress.done();
  if (shown === undefined) throw new Error('internal error: no samples');
  return { samples, outputs: Array.from(tallies.values(), (tally) => tally.toChange()), shown };
}

/** Rethrows a failure with what is to blame for it. */
function blame(by: 'marked model' | 'given input'): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof RuntimeError)) throw error;
    throw new RuntimeError(error.code, { fields: { ...error.fields, by } });
  };
}

/** @throws RuntimeError RUNTIME_RUN_FAILED when the input does not fit */
async function show(original: RuntimeSession, marked: RuntimeSession, input: Shown['feeds']): Promise<Shown> {
  const nameless = input.get('');
  const feeds = nameless === undefined ? input : new Map([[original.inputs[0].name, nameless]]);
  const before = await original.run(feeds).catch(blame('given input'));
  return { feeds, before, after: await marked.run(feeds).catch(blame('marked model')) };
}

/** Accuracy where classes are still where they were: a column or a row more would be taken for a class. */
async function measureAccuracy(options: EffectOptions, outputs: readonly OutputChange[]): Promise<Effect['accuracy']> {
  const isLonger = outputs.some(({ shapeBefore, shapeAfter }) => shapeBefore?.join() !== shapeAfter.join());
  if (options.data === null || isLonger) return null;
  const outcome = await measureFidelity({ ...options });
  if (outcome.kind === 'unmeasured') return null;
  const { accuracyOriginal, accuracyMarked, lossPoints } = outcome.fidelity;
  return { accuracyOriginal, accuracyMarked, lossPoints };
}
