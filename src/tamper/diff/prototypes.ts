/**
 * Inputs made up so that the earlier model is sure of them, several for every class, without any data: what a class
 * looks like to the model itself. What the later model says of them shows whether a class was turned into another.
 */
import { utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { Progress } from '../../core/ports.ts';
import { createPrfStream, type PrfStream } from '../../core/prf.ts';
import { encodeValues, toValues } from '../../fidelity/index.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import { isFloatDType } from '../../model/floats.ts';
import type { DType } from '../../model/dtype.ts';
import { toPlane } from './input-grid.ts';

/** Where made-up images go in, and where scores come out. */
export interface ScorePort {
  readonly input: string;
  readonly dtype: DType;
  /** Without the batch. */
  readonly shape: readonly number[];
  /** The batch where it is fixed, else null. */
  readonly batch: number | null;
  readonly output: string;
  readonly classes: number;
}

export interface Prototypes {
  /** [count, elements], values in 0..1 */
  readonly inputs: readonly Float64Array[];
  readonly classes: readonly number[];
}

const PER_CLASS = 12;
const ROUNDS_MAX = 30;
const CANDIDATES = 24;
/** The score of the class above all others; images of the class have as much. */
const MARGIN = 3;
const STEP = 0.4;
const DOMAIN = 2;

/**
 * The one input of floats and the scores of a classifier that is small enough for thousands of runs; null for others.
 * @param parameters of the model: with the pixels, a bound on what one run costs
 */
export function findScorePort(
  session: RuntimeSession,
  output: { readonly name: string; readonly classes: number },
  parameters: number,
): ScorePort | null {
  const [input] = session.inputs;
  if (session.inputs.length !== 1 || input.dtype === null || !isFloatDType(input.dtype) || input.shape === null)
    return null;
  const [first, ...shape] = input.shape;
  if (shape.length === 0 || !shape.every((dim) => typeof dim === 'number' && dim > 0)) return null;
  const sizes = shape as number[];
  const elements = sizes.reduce((product, dim) => product * dim, 1);
  const { classes } = output;
  if (classes < DIFF_LIMITS.classesMin || classes > DIFF_LIMITS.prototypeClassesMax) return null;
  if (elements > DIFF_LIMITS.prototypeElementsMax || parameters * elements > DIFF_LIMITS.prototypeCostMax) return null;
  const batch = typeof first === 'number' ? first : null;
  return { input: input.name, dtype: input.dtype, shape: sizes, batch, output: output.name, classes };
}

/** Rows of one run where the batch is free: as many, and as many values. */
const ROWS_MAX = 1024;
const ROW_VALUES_MAX = 2 ** 20;

/**
 * Scores of `count` inputs that lie one after the other, as logarithms where they are probabilities.
 * @param rows [count, elements]
 * @returns [count, classes]
 * @throws RuntimeError RUNTIME_RUN_FAILED
 */
export async function scoreRows(
  session: RuntimeSession,
  { input, dtype, shape, batch, output, classes }: ScorePort,
  rows: Float64Array,
  count: number,
): Promise<Float64Array> {
  const size = shape.reduce((product, dim) => product * dim, 1);
  const scores = new Float64Array(count * classes);
  const most = batch ?? Math.max(1, Math.min(ROWS_MAX, Math.floor(ROW_VALUES_MAX / size)));
  for (let start = 0; start < count; start += most) {
    const used = Math.min(most, count - start);
    const step = batch ?? used;
    const values = new Float64Array(step * size);
    values.set(rows.subarray(start * size, (start + used) * size));
    const data = encodeValues(dtype, values);
    const answers = await session.run(new Map([[input, { dtype, shape: [step, ...shape], data }]]));
    scores.set(toValues(answers.get(output)!).subarray(0, used * classes), start * classes);
  }
  for (let row = 0; row < count; row++) toLogits(scores.subarray(row * classes, (row + 1) * classes));
  return scores;
}

/** Scores of `inputs`, one row of classes for each. @throws RuntimeError RUNTIME_RUN_FAILED */
export async function scoreInputs(
  session: RuntimeSession,
  port: ScorePort,
  inputs: readonly Float64Array[],
): Promise<Float64Array[]> {
  const size = port.shape.reduce((product, dim) => product * dim, 1);
  const rows = new Float64Array(inputs.length * size);
  for (const [row, values] of inputs.entries()) rows.set(values, row * size);
  const scores = await scoreRows(session, port, rows, inputs.length);
  return inputs.map((_, row) => scores.slice(row * port.classes, (row + 1) * port.classes));
}

/** Probabilities become logarithms in place, so that a change means the same for models with and without a softmax. */
export function toLogits(scores: Float64Array): void {
  const sum = scores.reduce((total, score) => total + score, 0);
  const isShare = Math.abs(sum - 1) < 1e-3 && scores.every((score) => score >= 0 && score <= 1);
  if (isShare) for (const [at, score] of scores.entries()) scores[at] = Math.log(Math.max(score, 1e-12));
}

/** By search without gradients: of smooth random changes, the one that the model is surest of is kept, until it is sure. */
export async function findPrototypes(
  session: RuntimeSession,
  port: ScorePort,
  progress: Progress,
): Promise<Prototypes> {
  const found: { inputs: Float64Array[]; classes: number[] } = { inputs: [], classes: [] };
  const key = sha256(utf8('modelward/prototypes/v1'));
  progress.step('class prototypes', port.classes * PER_CLASS, 'items');
  for (let index = 0; index < port.classes * PER_CLASS; index++) {
    const target = Math.floor(index / PER_CLASS);
    const made = await searchPrototype(session, port, target, createPrfStream(key, { domain: DOMAIN, index }));
    progress.advance(1);
    if (made === null) continue;
    found.inputs.push(made);
    found.classes.push(target);
  }
  progress.done();
  return found;
}

/** Null when the search found nothing that the model puts in the class. */
async function searchPrototype(
  session: RuntimeSession,
  port: ScorePort,
  target: number,
  stream: PrfStream,
): Promise<Float64Array | null> {
  const size = port.shape.reduce((product, dim) => product * dim, 1);
  let best = Float64Array.from({ length: size }, () => 0.5 * toUniform(stream));
  let margin = -Infinity;
  for (let round = 0; round < ROUNDS_MAX && margin < MARGIN; round++) {
    const candidates = [best];
    while (candidates.length < CANDIDATES) candidates.push(change(best, port.shape, stream));
    const scores = await scoreInputs(session, port, candidates);
    const margins = scores.map((row) => toMargin(row, target));
    const winner = margins.indexOf(Math.max(...margins));
    if (winner < 0) return null;
    [best, margin] = [candidates[winner], margins[winner]];
  }
  return margin > 0 ? best : null;
}

function toMargin(scores: Float64Array, target: number): number {
  let other = -Infinity;
  for (const [index, score] of scores.entries()) if (index !== target && !(score <= other)) other = score;
  return scores[target] - other;
}

const toUniform = (stream: PrfStream): number => stream.u32() / 2 ** 32;

/** One to three round bumps up or down, over the two longest neighbouring axes; other axes move with them. */
function change(values: Float64Array, shape: readonly number[], stream: PrfStream): Float64Array<ArrayBuffer> {
  const { rows, columns, rowStride, columnStride } = toPlane(shape);
  const bumps = Array.from({ length: 1 + stream.below(3) }, () => ({
    y: rows * toUniform(stream),
    x: columns * toUniform(stream),
    radius: Math.max(1, Math.max(rows, columns) * (0.1 + 0.25 * toUniform(stream))),
    height: STEP * 2 * (toUniform(stream) + toUniform(stream) + toUniform(stream) - 1.5),
  }));
  return Float64Array.from(values, (value, at) => {
    const [row, column] = [Math.floor(at / rowStride) % rows, Math.floor(at / columnStride) % columns];
    let sum = value;
    for (const { y, x, radius, height } of bumps) {
      const near = 1 - ((row - y) ** 2 + (column - x) ** 2) / radius ** 2;
      if (near > 0) sum += height * near * near;
    }
    return Math.min(1, Math.max(0, sum));
  });
}
