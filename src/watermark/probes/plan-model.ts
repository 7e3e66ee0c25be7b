/** Probes for a model: from its input signature to rules, and the output whose arg-max is the answer. */
import { RemoteError } from '../../core/errors.ts';
import { createTally, planProbes, type ProbeInput } from '../../fidelity/index.ts';
import type { RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { Graph, ValueInfo } from '../../model/types.ts';
import type { Question } from '../remote/questions.ts';
import { findArgMax } from './answers.ts';
import type { ProbeFamily } from './families.ts';
import { makeProbe } from './inputs.ts';
import { assertMakeable, type ProbeInputPlan, type TensorPlan } from './plan.ts';

export interface PlanOptions {
  readonly graph: Graph | null;
  /** Smallest and largest value of floating-point inputs, as the model is fed. */
  readonly range: { readonly low: number; readonly high: number };
  readonly family: ProbeFamily;
  /** Name of the output with class scores; the first that has them when left out. */
  readonly output?: string | undefined;
}

/** Values of dimensions that are not fixed, in the order in which they are tried. */
const FREE_SIZES = [16, 64, 32, 128, 224, 256, 512, 8, 1];

/**
 * @param count probes that are to be made
 * @throws RemoteError PROBES_MODEL_UNFIT with the fault; RuntimeError RUNTIME_DTYPE_UNSUPPORTED | RUNTIME_RUN_FAILED
 */
export async function planModelProbes(
  session: RuntimeSession,
  options: PlanOptions,
  count: number,
): Promise<TensorPlan> {
  const rules = planProbes(options.graph, session.inputs, session.outputs);
  if (rules.length === 0) throw unfit('it has no inputs');
  const hasBatchAxis = session.inputs.every(isBatched);
  const isFree = rules.some(({ shape }) => shape.slice(1).some((dim) => typeof dim !== 'number'));
  let last: unknown;
  for (const free of isFree ? FREE_SIZES : [1]) {
    const inputs = rules.map((rule) => toInputPlan(rule, { hasBatchAxis, free, range: options.range }));
    const draft: TensorPlan = { kind: 'tensors', family: options.family, inputs, hasBatchAxis, output: '', classes: 2 };
    assertMakeable(draft, count);
    try {
      const results = await session.run(toFeed(session, draft, [makeProbe(new Uint8Array(32), draft, 0)]));
      return { ...draft, ...findOutput(session, results, options.output) };
    } catch (error) {
      if (error instanceof RemoteError) throw error;
      last = error;
    }
  }
  throw last;
}

function unfit(fault: string): RemoteError {
  return new RemoteError('PROBES_MODEL_UNFIT', { fields: { fault } });
}

/** A first dimension that may count samples; single vectors have none. */
function isBatched({ shape }: ValueInfo): boolean {
  return shape !== null && shape.length >= 2 && (typeof shape[0] !== 'number' || shape[0] === 1);
}

function toInputPlan(
  { name, dtype, shape, rule }: ProbeInput,
  {
    hasBatchAxis,
    free,
    range,
  }: { readonly hasBatchAxis: boolean; readonly free: number; readonly range: PlanOptions['range'] },
): ProbeInputPlan {
  const dims = shape.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? 1 : free));
  return { name, dtype, shape: hasBatchAxis ? dims.slice(1) : dims, rule: toRule(rule, range) };
}

function toRule(rule: ProbeInput['rule'], range: PlanOptions['range']): ProbeInputPlan['rule'] {
  if (rule.kind === 'noise') return { kind: 'pattern', ...range };
  if (rule.kind === 'below') return { kind: 'below', bound: Math.max(2, rule.bound) };
  if (rule.kind === 'constants') return { kind: 'constant', value: rule.values[0] ?? 0 };
  return { kind: 'constant', value: rule.kind === 'ones' ? 1 : 0 };
}

function findOutput(
  session: RuntimeSession,
  results: ReadonlyMap<string, RuntimeTensor>,
  wanted: string | undefined,
): Pick<TensorPlan, 'output' | 'classes'> {
  for (const { name } of session.outputs) {
    const value = results.get(name);
    if (value === undefined || (wanted !== undefined && name !== wanted)) continue;
    const classes = toClasses(name, value);
    if (classes >= 2) return { output: name, classes };
  }
  throw unfit(wanted === undefined ? 'no output has class scores' : `output ${wanted} has no class scores`);
}

/** Scores of one sample: [1, K], ones aside. */
function toClasses(name: string, value: RuntimeTensor): number {
  return createTally(name, value, 1, value.shape.length >= 2).classCount;
}

/** What a session is fed with for some probes, by the position of its inputs: null models may name theirs otherwise. */
export function toFeed(
  session: Pick<RuntimeSession, 'inputs'>,
  plan: Pick<TensorPlan, 'hasBatchAxis'>,
  probes: readonly Question[],
): Map<string, RuntimeTensor> {
  const feed = new Map<string, RuntimeTensor>();
  const all = probes.map((probe) => (probe.kind === 'tensors' ? probe.inputs : []));
  for (const [position, { dtype, shape }] of all[0].entries()) {
    const data = Buffer.concat(all.map((inputs) => inputs[position].data));
    const whole = plan.hasBatchAxis ? [probes.length, ...shape] : shape;
    feed.set(session.inputs[position].name, { dtype, shape: whole, data: new Uint8Array(data) });
  }
  return feed;
}

/**
 * One answer per row of an output with class scores; null where scores are no finite numbers.
 * @param values of the output, row-major
 */
export function toRowAnswers(values: Float64Array, rows: number, classes: number): (number | null)[] {
  return Array.from({ length: rows }, (_, row) => findArgMax(values.subarray(row * classes, (row + 1) * classes)));
}
