/** Statistics of inner values of a model: they are made outputs, in memory, and the model is run. */
import { type ErrorCode, RuntimeError } from '../../core/errors.ts';
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import type { Progress } from '../../core/ports.ts';
import { exposeValues } from '../../formats/index.ts';
import type { Runtime, RuntimeModel, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { Graph } from '../../model/types.ts';
import type { FeedSource } from '../feeds.ts';
import { toValues } from '../values.ts';
import { Distribution, type Statistics } from './distribution.ts';

export type Activation =
  | ({
      readonly kind: 'observed';
      readonly name: string;
      readonly dtype: string;
      /** In the first run. */
      readonly shape: readonly number[];
    } & Statistics)
  /** The runtime cannot show it: a sequence, or an element type that JavaScript runtimes do not pass. */
  | { readonly kind: 'hidden'; readonly name: string; readonly code: ErrorCode };

export interface ObserveOptions {
  readonly runtime: Runtime;
  readonly model: RuntimeModel;
  readonly graph: Graph;
  /** Inputs and values that nodes of the main graph make. */
  readonly names: readonly string[];
  readonly source: FeedSource;
  readonly progress: Progress;
}

export interface Activations {
  readonly samples: number;
  /** In the order of the names. */
  readonly values: readonly Activation[];
}

/**
 * Runs the model twice on every sample, up to 512: for ranges, then for histograms.
 *
 * Optimisations of the runtime that would fuse a value away do not happen when it is looked at, so that elements may
 * differ from those of an unobserved run by rounding.
 * @throws RuntimeError RUNTIME_RUN_FAILED; RUNTIME_LOAD_FAILED when the model does not load as it is
 */
export async function observeValues(options: ObserveOptions): Promise<Activations> {
  const { names, source, progress } = options;
  const samples = Math.min(source.samples, FIDELITY_LIMITS.activationSamplesMax);
  const { activationGroupMax } = FIDELITY_LIMITS;
  const unique = [...new Set(names)];
  const found = new Map<string, Activation>();
  progress.step('activations', unique.length, 'items');
  for (let at = 0; at < unique.length; at += activationGroupMax) {
    const group = unique.slice(at, at + activationGroupMax);
    for (const value of await observeGroup(options, group, samples)) found.set(value.name, value);
    progress.advance(group.length);
  }
  progress.done();
  return { samples, values: unique.map((name) => found.get(name)!) };
}

/** One value that the runtime cannot show makes the whole session fail: the group is halved until it stands alone. */
async function observeGroup(
  options: ObserveOptions,
  names: readonly string[],
  samples: number,
): Promise<readonly Activation[]> {
  let session: RuntimeSession;
  try {
    session = await loadExposed(options, names);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    if (names.length === 1) return [{ kind: 'hidden', name: names[0], code: error.code }];
    const middle = names.length >> 1;
    const first = await observeGroup(options, names.slice(0, middle), samples);
    return [...first, ...(await observeGroup(options, names.slice(middle), samples))];
  }
  try {
    return await observeSession(session, names, options.source, samples);
  } finally {
    await session.release();
  }
}

function loadExposed({ runtime, model, graph }: ObserveOptions, names: readonly string[]): Promise<RuntimeSession> {
  const visible = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const exposed = names.filter((name) => !visible.has(name));
  return runtime.load({ ...model, main: exposeValues(model.main, exposed) });
}

interface Shown {
  readonly distribution: Distribution;
  readonly first: RuntimeTensor;
}

async function observeSession(
  session: RuntimeSession,
  names: readonly string[],
  source: FeedSource,
  samples: number,
): Promise<readonly Activation[]> {
  const shown = new Map<string, Shown>();
  const hidden = new Map<string, ErrorCode>();
  let step = source.isFree ? 1 : source.step;
  const runAll = async (see: (name: string, tensor: RuntimeTensor, values: Float64Array) => void): Promise<void> => {
    for (let start = 0; start < samples; ) {
      const count = Math.min(step, samples - start);
      const feeds = source.make(start, count);
      const results = await session.run(feeds);
      for (const name of names) showValue(name, results.get(name) ?? feeds.get(name), hidden, see);
      start += count;
      if (source.isFree) step = toStep(source, results, count);
    }
  };
  await runAll((name, tensor, values) => {
    const of = shown.get(name) ?? { distribution: new Distribution(), first: { ...tensor, data: new Uint8Array(0) } };
    shown.set(name, of);
    of.distribution.add(values);
  });
  await runAll((name, _, values) => {
    shown.get(name)!.distribution.count(values);
  });
  return names.map((name) => toActivation(name, shown.get(name), hidden.get(name)));
}

function showValue(
  name: string,
  tensor: RuntimeTensor | undefined,
  hidden: Map<string, ErrorCode>,
  see: (name: string, tensor: RuntimeTensor, values: Float64Array) => void,
): void {
  if (tensor === undefined) {
    hidden.set(name, 'RUNTIME_DTYPE_UNSUPPORTED');
    return;
  }
  try {
    see(name, tensor, toValues(tensor));
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    hidden.set(name, error.code);
  }
}

/** As many samples as the source takes at once, when what they show stays within the limit. */
function toStep(source: FeedSource, results: ReadonlyMap<string, RuntimeTensor>, count: number): number {
  const bytes = [...results.values()].reduce((sum, { data }) => sum + data.length, 1);
  return Math.max(1, Math.min(source.step, Math.floor((FIDELITY_LIMITS.activationRunBytesMax / bytes) * count)));
}

function toActivation(name: string, shown: Shown | undefined, code: ErrorCode | undefined): Activation {
  if (shown === undefined || code !== undefined) {
    return { kind: 'hidden', name, code: code ?? 'RUNTIME_DTYPE_UNSUPPORTED' };
  }
  const { dtype, shape } = shown.first;
  return { kind: 'observed', name, dtype, shape, ...shown.distribution.toStatistics() };
}
