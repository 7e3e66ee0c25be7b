/** Runs probes through a model in memory: many in one run where the batch is free. */
import { RemoteError, RuntimeError } from '../../core/errors.ts';
import type { Progress } from '../../core/ports.ts';
import { toValues } from '../../fidelity/index.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import { type Question, type TensorPlan, toFeed, toRowAnswers } from '../../watermark/index.ts';

/** Probes of one run: more gain nothing on a processor. */
const ROWS_MAX = 64;
const RUN_BYTES_MAX = 16 * 1024 * 1024;

export interface AskModelOptions {
  readonly plan: TensorPlan;
  readonly probe: (index: number) => Question;
  readonly count: number;
  readonly progress: Progress;
  /** What is said of the step. */
  readonly step: string;
}

/**
 * The class that a model answers each probe with; null where its scores are no finite numbers.
 * @throws RemoteError PROBES_NULL_UNFIT when the model takes other inputs or has another number of classes; RuntimeError
 */
export async function askModel(session: RuntimeSession, options: AskModelOptions): Promise<(number | null)[]> {
  const { plan, probe, count, progress, step } = options;
  assertInputs(session, plan);
  const rows = toRows(session, plan);
  const answers: (number | null)[] = [];
  progress.step(step, count, 'items');
  for (let start = 0; start < count; start += rows) {
    const probes = Array.from({ length: Math.min(rows, count - start) }, (_, at) => probe(start + at));
    const results = await session.run(toFeed(session, plan, probes));
    answers.push(...readRows(session, results, plan, probes.length));
    progress.advance(probes.length);
  }
  progress.done();
  return answers;
}

function unfit(reason: string): RemoteError {
  return new RemoteError('PROBES_NULL_UNFIT', { fields: { reason } });
}

function assertInputs({ inputs }: RuntimeSession, plan: TensorPlan): void {
  if (inputs.length !== plan.inputs.length) throw unfit(`it has ${inputs.length} inputs`);
  for (const [at, { dtype, shape }] of plan.inputs.entries()) {
    const whole = plan.hasBatchAxis ? [1, ...shape] : shape;
    const theirs = inputs[at].shape;
    const isSame =
      inputs[at].dtype === dtype &&
      theirs?.length === whole.length &&
      theirs.every((dim, axis) => typeof dim !== 'number' || dim === whole[axis]);
    if (!isSame) throw unfit(`input ${at} is ${inputs[at].dtype ?? '?'} [${(theirs ?? []).join(', ')}]`);
  }
}

function toRows({ inputs }: RuntimeSession, plan: TensorPlan): number {
  const isFree = plan.hasBatchAxis && inputs.every(({ shape }) => typeof shape?.[0] !== 'number');
  const bytes = plan.inputs.reduce((sum, { shape }) => sum + 8 * shape.reduce((product, dim) => product * dim, 1), 0);
  return isFree ? Math.max(1, Math.min(ROWS_MAX, Math.floor(RUN_BYTES_MAX / bytes))) : 1;
}

/** The output of the plan by its name, else the first that has so many scores. */
function readRows(
  session: RuntimeSession,
  results: Awaited<ReturnType<RuntimeSession['run']>>,
  { output, classes }: TensorPlan,
  rows: number,
): (number | null)[] {
  const names = [output, ...session.outputs.map(({ name }) => name)];
  for (const name of names) {
    const value = results.get(name);
    if (!value?.dtype.includes('f')) continue;
    const values = toValues(value);
    if (values.length === rows * classes) return toRowAnswers(values, rows, classes);
  }
  if (results.size === 0) throw new RuntimeError('RUNTIME_RUN_FAILED');
  throw unfit(`it has no output with ${classes} class scores`);
}
