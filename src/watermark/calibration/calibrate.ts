/** Observes what flows through the layers of a model, so that a mark can keep out of it (docs/spec/watermark.md §4.5). */
import { listLayerUses, type WeightUse } from '../../align/index.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { type Progress, silentProgress } from '../../core/ports.ts';
import { exposeValues } from '../../formats/index.ts';
import { decodeFloats, isFloatDType } from '../../model/floats.ts';
import type { Runtime, RuntimeModel, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { Graph } from '../../model/types.ts';
import type { Value } from './features.ts';
import { createLayerObserver, type LayerObserver } from './observer.ts';
import type { Calibration, LayerCalibration } from './types.ts';

/** Inputs for a model, made on demand. */
export interface CalibrationFeeds {
  readonly samples: number;
  /** Samples of one run at the most; fewer may be asked for when `isFree`. */
  readonly step: number;
  /** True when a run may have fewer samples than `step`. */
  readonly isFree: boolean;
  readonly make: (start: number, count: number) => ReadonlyMap<string, RuntimeTensor>;
}

export interface CalibrateOptions {
  readonly runtime: Runtime;
  /** The unmarked original. */
  readonly model: RuntimeModel;
  readonly graph: Graph;
  readonly feeds: CalibrationFeeds;
  /** Where the inputs come from, for reports. */
  readonly words: string;
  /** True for inputs that were made up; false unless told. */
  readonly isProbed?: boolean;
  readonly progress?: Progress;
}

/**
 * Runs the original on up to 512 inputs (fewer when its activations are large) and keeps, for every dense and
 * convolutional layer of the main graph, the directions in which its inputs are largest.
 * @throws RuntimeError RUNTIME_LOAD_FAILED | RUNTIME_RUN_FAILED
 */
export async function calibrate(options: CalibrateOptions): Promise<Calibration> {
  const { runtime, model, graph, feeds, progress = silentProgress } = options;
  const uses = listLayerUses(graph).filter(({ kind }) => kind === 'dense' || kind === 'conv');
  const exposed = listExposed(graph, uses);
  const session = await runtime.load({ ...model, main: exposeValues(model.main, exposed) });
  try {
    const { samples, found } = await observeAll(session, uses, feeds, progress);
    return { samples, inputs: options.words, isProbed: options.isProbed ?? false, layers: found };
  } finally {
    await session.release();
  }
}

/** Inputs and outputs of the layers that are neither fed nor given back anyway. */
function listExposed(graph: Graph, uses: readonly WeightUse[]): string[] {
  const known = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const wanted = new Set(uses.flatMap(({ data, node }) => [data, node.outputs[0] ?? '']));
  return [...wanted].filter((name) => name !== '' && !known.has(name));
}

async function observeAll(
  session: RuntimeSession,
  uses: readonly WeightUse[],
  feeds: CalibrationFeeds,
  progress: Progress,
): Promise<{ readonly samples: number; readonly found: ReadonlyMap<string, LayerCalibration> }> {
  const observers = createObservers(uses);
  const first = feeds.isFree ? 1 : feeds.step;
  const plan = planRuns(feeds, await observe(session, observers, feeds.make(0, first), 1), first);
  progress.step('calibration', plan.starts.length, 'items');
  for (const start of plan.starts) {
    const count = Math.min(plan.step, feeds.samples - start);
    await observe(session, observers, feeds.make(start, count), plan.rowsPerRun);
    progress.advance(1);
  }
  progress.done();
  const found = new Map<string, LayerCalibration>();
  for (const { use, observer } of observers) {
    const layer = observer.finish();
    if (layer !== null) found.set(use.weight.tensor.name, layer);
  }
  return { samples: plan.starts.length * plan.step, found };
}

interface Observed {
  readonly use: WeightUse;
  readonly observer: LayerObserver;
}

/** One observer per weight; of a weight used twice, the first use counts. All of them together stay within a fixed memory. */
function createObservers(uses: readonly WeightUse[]): Observed[] {
  const unique = [...new Map([...uses].reverse().map((use) => [use.weight.tensor.name, use])).values()].reverse();
  const width = unique.reduce((sum, { weight, outAxis, groups }) => {
    const outputs = outAxis === null ? 0 : weight.shape[outAxis];
    return outputs === 0 ? sum : sum + (weight.tensor.elementCount / outputs) * groups;
  }, 1);
  const { calibrationRowsMax, calibrationValuesMax } = WATERMARK_LIMITS;
  const rowsMax = Math.min(calibrationRowsMax, Math.floor(calibrationValuesMax / width));
  if (rowsMax < WATERMARK_LIMITS.calibrationRank) return [];
  return unique.map((use) => ({ use, observer: createLayerObserver(use, rowsMax) }));
}

/** Runs once and shows every observer its layer's input and output. Returns the bytes of all values. */
async function observe(
  session: RuntimeSession,
  observers: readonly Observed[],
  feed: ReadonlyMap<string, RuntimeTensor>,
  rowsWanted: number,
): Promise<number> {
  const results = await session.run(feed);
  const values = new Map<string, Value | null>();
  const find = (name: string): Value | null => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const value = toValue(results.get(name) ?? feed.get(name));
    values.set(name, value);
    return value;
  };
  for (const { use, observer } of observers) {
    const input = find(use.data);
    const output = find(use.node.outputs[0] ?? '');
    if (input !== null && output !== null) observer.observe(input, output, rowsWanted);
  }
  return [...results.values()].reduce((sum, { data }) => sum + data.length, 0);
}

function toValue(tensor: RuntimeTensor | undefined): Value | null {
  if (tensor === undefined || !isFloatDType(tensor.dtype)) return null;
  const data = new Float32Array(tensor.shape.reduce((product, dim) => product * dim, 1));
  decodeFloats(tensor.dtype, tensor.data, data);
  return { shape: tensor.shape, data };
}

/** Which samples are run, spread over the whole set, within the limits on the values of one run and of all. */
function planRuns(
  feeds: CalibrationFeeds,
  bytes: number,
  count: number,
): { readonly starts: readonly number[]; readonly step: number; readonly rowsPerRun: number } {
  const { calibrationSamplesMax, calibrationRowsMax, calibrationRunBytesMax, calibrationBytesMax } = WATERMARK_LIMITS;
  const perSample = Math.max(1, bytes / count);
  const widest = Math.max(1, Math.floor(calibrationRunBytesMax / perSample));
  const step = feeds.isFree ? Math.min(feeds.step, widest, calibrationSamplesMax) : feeds.step;
  const affordable = Math.max(4, Math.floor(calibrationBytesMax / (perSample * step)));
  const runs = Math.max(
    1,
    Math.min(Math.ceil(calibrationSamplesMax / step), affordable, Math.floor(feeds.samples / step)),
  );
  const starts = Array.from(
    { length: runs },
    (_, i) => Math.floor((i * Math.floor(feeds.samples / step)) / runs) * step,
  );
  return { starts, step: Math.min(step, feeds.samples), rowsPerRun: Math.ceil(calibrationRowsMax / runs) };
}
