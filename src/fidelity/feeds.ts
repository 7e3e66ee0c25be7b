/** Where the inputs of a comparison come from: labelled samples, or probes when there are none. */
import { RuntimeError } from '../core/errors.ts';
import { FIDELITY_LIMITS } from '../core/limits/fidelity.ts';
import type { RuntimeSession, RuntimeTensor } from '../model/runtime.ts';
import type { Graph } from '../model/types.ts';
import { type Batch, type Fit, fitData, type Scale } from './data/fit.ts';
import type { LabelledData } from './data/types.ts';
import { hasFreeDims, makeProbe, planProbes, type ProbeInput } from './probes.ts';

export type Feed = ReadonlyMap<string, RuntimeTensor>;

export interface FeedSource {
  readonly samples: number;
  readonly hasBatchAxis: boolean;
  /** Samples of one run; fewer in the last. */
  readonly step: number;
  /** True when any run may have fewer samples. */
  readonly isFree: boolean;
  /** Rows of a run of `count` samples: more than `count` when the model's batch is fixed. */
  readonly toRows: (count: number) => number;
  readonly make: (start: number, count: number) => Feed;
}

/** Values of free dimensions, in the order in which they are tried until the original runs: sequences, then images. */
const FREE_SIZES = [16, 64, 32, 128, 224, 256, 512, 576, 1024, 8, 1];

/** True when a run failed for a reason that another input may not have. */
function isRunFailure(error: unknown): boolean {
  return error instanceof RuntimeError && error.code === 'RUNTIME_RUN_FAILED';
}

/** The first attempt that runs. @throws the last refusal, or any other error at once */
async function findRunning<T>(attempts: readonly T[], session: RuntimeSession, make: (attempt: T) => Feed): Promise<T> {
  let last: unknown;
  for (const attempt of attempts) {
    try {
      await session.run(make(attempt));
      return attempt;
    } catch (error) {
      if (!isRunFailure(error)) throw error;
      last = error;
    }
  }
  throw last;
}

/**
 * Samples in batches: as many at once as the model's batch axis and memory allow, one by one when a model with a
 * symbolic batch fails on more (a Reshape that fixes it, for example).
 * @throws RuntimeError DATA_SHAPE_MISMATCH; RUNTIME_RUN_FAILED when not even the first samples run
 */
export async function feedSamples(
  session: RuntimeSession,
  graph: Graph | null,
  data: LabelledData,
): Promise<{ readonly fit: Fit; readonly toSource: (scale: Scale) => FeedSource }> {
  const plan = planProbes(graph, session.inputs, session.outputs);
  const states = new Set(plan.filter((input) => input.rule.kind === 'zeros').map((input) => input.name));
  const fit = fitData(
    data,
    session.inputs.filter((input) => !states.has(input.name)),
  );
  const [scale = 'none'] = fit.scales;
  const bytes = fit.encode(0, 1, scale).data.length;
  const widest = Math.max(
    1,
    Math.min(FIDELITY_LIMITS.batchSamplesMax, data.count, Math.floor(FIDELITY_LIMITS.batchBytesMax / bytes)),
  );
  const steps =
    fit.batch.kind === 'free' ? [...new Set([widest, 1])] : [fit.batch.kind === 'fixed' ? fit.batch.size : 1];
  const frees = plan.length > 1 && hasFreeDims(plan) ? FREE_SIZES : [FREE_SIZES[0]];
  const attempts = frees.flatMap((free) => steps.map((step) => ({ free, step: Math.min(step, data.count) })));
  const makeWith =
    (free: number, at: Scale) =>
    (start: number, count: number): Feed => {
      const feeds = makeProbe(plan, {
        sizes: { batch: toRows(fit.batch, count), free },
        seed: 'beside data',
        index: 0,
        without: fit.input,
      });
      return feeds.set(fit.input, fit.encode(start, count, at));
    };
  const { free, step } = await findRunning(attempts, session, (attempt) =>
    makeWith(attempt.free, scale)(0, attempt.step),
  );
  return {
    fit,
    toSource: (chosen) => ({
      samples: data.count,
      hasBatchAxis: fit.batch.kind !== 'none',
      step,
      isFree: fit.batch.kind === 'free',
      toRows: (count) => toRows(fit.batch, count),
      make: makeWith(free, chosen),
    }),
  };
}

function toRows(batch: Batch, count: number): number {
  return batch.kind === 'fixed' ? batch.size : count;
}

/**
 * Seeded probes, one by one, or as many at once as a fixed batch has rows. For every constant that the graph compares
 * an input with, free dimensions are tried on the original until it runs; constants that never run are dropped.
 * @throws RuntimeError RUNTIME_RUN_FAILED when no attempt runs; RUNTIME_DTYPE_UNSUPPORTED
 */
export async function feedProbes(
  session: RuntimeSession,
  graph: Graph | null,
  options: { readonly count: number; readonly seed: string },
): Promise<FeedSource> {
  const plan = planProbes(graph, session.inputs, session.outputs);
  const choices = Math.max(1, ...plan.map((input) => (input.rule.kind === 'constants' ? input.rule.values.length : 1)));
  const sizes = hasFreeDims(plan) ? FREE_SIZES : [FREE_SIZES[0]];
  const make = ({ free, choice }: Variant, index: number): Feed =>
    makeProbe(fixChoice(plan, choice), { sizes: { batch: 1, free }, seed: options.seed, index });
  const working: Variant[] = [];
  let last: unknown;
  for (let choice = 0; choice < choices; choice++) {
    const attempts = sizes.map((free) => ({ free, choice }));
    try {
      working.push(await findRunning(attempts, session, (attempt) => make(attempt, 0)));
    } catch (error) {
      if (!isRunFailure(error)) throw error;
      last = error;
    }
  }
  if (working.length === 0) throw last;
  const rows = findFixedRows(plan);
  const count = plan.length === 0 ? 1 : options.count;
  return {
    samples: Math.ceil(count / rows) * rows,
    hasBatchAxis: plan.some((input) => input.shape.length >= 2),
    step: rows,
    isFree: false,
    toRows: () => rows,
    make: (start) => make(working[(start / rows) % working.length], start / rows),
  };
}

/** One way to run a model: the size of its free dimensions, and which constant its compared scalars get. */
interface Variant {
  readonly free: number;
  readonly choice: number;
}

/** The first dimension of the first input of rank 2 or more that is no state: samples of one run, where it is fixed. */
function findFixedRows(plan: readonly ProbeInput[]): number {
  const main = plan.find((input) => input.shape.length >= 2 && input.rule.kind !== 'zeros');
  const first = main?.shape[0];
  return typeof first === 'number' && first > 0 ? first : 1;
}

/** The plan with every compared scalar fixed to its constant of number `choice`. */
function fixChoice(plan: readonly ProbeInput[], choice: number): readonly ProbeInput[] {
  return plan.map((input) =>
    input.rule.kind === 'constants'
      ? { ...input, rule: { kind: 'constants', values: [input.rule.values[choice % input.rule.values.length]] } }
      : input,
  );
}
