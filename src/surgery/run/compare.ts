/** Two models run on the same inputs: how far their outputs lie apart. */
import { DTYPES, isBlockDType } from '../../model/dtype.ts';
import { decodeFloats, encodeFloats, isFloatDType } from '../../model/floats.ts';
import type { Runtime, RuntimeModel, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';

export type Feeds = ReadonlyMap<string, RuntimeTensor>;

/** One output over all runs. */
export interface OutputDifference {
  readonly name: string;
  /** Largest difference of two elements, relative to the largest magnitude in the output; 0 when all bytes are equal. */
  readonly relativeMax: number;
  /** Share of elements of whole-number types that differ. */
  readonly changedShare: number;
  /** False when type or shape differ, or one has a NaN or infinity where the other has none. */
  readonly isComparable: boolean;
}

export interface Comparison {
  readonly runtime: { readonly id: Runtime['id']; readonly version: string };
  readonly runs: number;
  readonly tolerance: number;
  readonly outputs: readonly OutputDifference[];
  /** True when every output is comparable, within the tolerance, and equal where it is whole numbers. */
  readonly agreed: boolean;
}

/**
 * Runs both models on every feed.
 * @param tolerance of float outputs, relative to the largest magnitude in the output
 * @throws RuntimeError RUNTIME_LOAD_FAILED | RUNTIME_RUN_FAILED
 */
export async function compareModels(
  runtime: Runtime,
  models: { readonly before: RuntimeModel; readonly after: RuntimeModel },
  feeds: readonly Feeds[],
  tolerance: number,
): Promise<Comparison> {
  const before = await runtime.load(models.before);
  try {
    const after = await runtime.load(models.after);
    try {
      const outputs = await compareSessions(before, after, feeds);
      const agreed = outputs.every(
        ({ isComparable, relativeMax, changedShare }) => isComparable && relativeMax <= tolerance && changedShare === 0,
      );
      return { runtime: { id: runtime.id, version: runtime.version }, runs: feeds.length, tolerance, outputs, agreed };
    } finally {
      await after.release();
    }
  } finally {
    await before.release();
  }
}

async function compareSessions(
  before: RuntimeSession,
  after: RuntimeSession,
  feeds: readonly Feeds[],
): Promise<readonly OutputDifference[]> {
  const worst = new Map<string, OutputDifference>();
  for (const feed of feeds) {
    const a = await before.run(feed);
    const b = await after.run(toTypesOf(after, feed));
    for (const [at, { name }] of before.outputs.entries()) {
      const other = b.get(after.outputs[at].name);
      worst.set(name, toWorse(worst.get(name), toDifference(name, a.get(name)!, other)));
    }
  }
  return [...worst.values()];
}

/** Inputs whose float type was changed are rounded to it. */
function toTypesOf({ inputs }: RuntimeSession, feed: Feeds): Feeds {
  return new Map(
    [...feed].map(([name, tensor]) => {
      const wanted = inputs.find((input) => input.name === name)?.dtype ?? tensor.dtype;
      if (wanted === tensor.dtype || !isFloatDType(wanted) || !isFloatDType(tensor.dtype)) return [name, tensor];
      const values = toNumbers(tensor)!;
      const data = new Uint8Array((values.length * DTYPES[wanted].bits) / 8);
      encodeFloats(wanted, values, data);
      return [name, { dtype: wanted, shape: tensor.shape, data }];
    }),
  );
}

function toNumbers({ dtype, shape, data }: RuntimeTensor): Float64Array | undefined {
  if (!isFloatDType(dtype)) return undefined;
  const values = new Float64Array(shape.reduce((product, dim) => product * dim, 1));
  decodeFloats(dtype, data, values);
  return values;
}

function toWorse(a: OutputDifference | undefined, b: OutputDifference): OutputDifference {
  if (a === undefined) return b;
  return {
    name: a.name,
    relativeMax: Math.max(a.relativeMax, b.relativeMax),
    changedShare: Math.max(a.changedShare, b.changedShare),
    isComparable: a.isComparable && b.isComparable,
  };
}

function toDifference(name: string, a: RuntimeTensor, b: RuntimeTensor | undefined): OutputDifference {
  const same = { name, relativeMax: 0, changedShare: 0, isComparable: true };
  const different = { ...same, isComparable: false };
  if (b?.shape.join() !== a.shape.join()) return different;
  if (a.dtype === b.dtype && Buffer.compare(a.data, b.data) === 0) return same;
  const [x, y] = [toNumbers(a), toNumbers(b)];
  if (x === undefined || y === undefined) {
    return a.dtype === b.dtype ? { ...same, changedShare: toChangedShare(a, b) } : different;
  }
  let [largest, apart] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    if (Object.is(x[i], y[i])) continue;
    if (!Number.isFinite(x[i]) || !Number.isFinite(y[i])) return different;
    apart = Math.max(apart, Math.abs(x[i] - y[i]));
  }
  for (const value of x) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return { ...same, relativeMax: apart === 0 ? 0 : largest === 0 ? Infinity : apart / largest };
}

function toChangedShare({ dtype, data }: RuntimeTensor, { data: other }: RuntimeTensor): number {
  const bytes = isBlockDType(dtype) ? 1 : Math.max(1, DTYPES[dtype].bits / 8);
  let changed = 0;
  for (let at = 0; at < data.length; at += bytes) {
    if (Buffer.compare(data.subarray(at, at + bytes), other.subarray(at, at + bytes)) !== 0) changed++;
  }
  return changed / (data.length / bytes);
}
