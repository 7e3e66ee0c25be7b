/** Sums along one axis of a tensor, in flat memory: which rows or columns changed, by how much, and whether they moved. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';

/** Sums per index of one axis. */
export interface AxisTally {
  readonly axis: number;
  readonly size: number;
  /** Elements whose codes differ. */
  readonly changed: Float64Array;
  /** Squared change, and squared values before. */
  readonly energy: Float64Array;
  readonly baseEnergy: Float64Array;
  /** Squared change of what did not become zero: pruning aside, this is what training moved. */
  readonly movedEnergy: Float64Array;
  /** Smallest and largest after / before; NaN-free, since zeros are left out. */
  readonly ratioMin: Float64Array;
  readonly ratioMax: Float64Array;
  /** Hashes of the values in order, before and after. */
  readonly hashBefore: Int32Array;
  readonly hashAfter: Int32Array;
  readonly stride: number;
}

/** Axes that are looked at: the first two and the last, those of one index and very long ones aside. */
export function createAxes(shape: readonly number[]): readonly AxisTally[] {
  if (shape.length < 2) return [];
  return [...new Set([0, 1, shape.length - 1])].flatMap((axis) => {
    const size = shape[axis];
    if (size < 2 || size > DIFF_LIMITS.axisEntriesMax) return [];
    const stride = shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
    return [
      {
        axis,
        size,
        stride,
        changed: new Float64Array(size),
        energy: new Float64Array(size),
        baseEnergy: new Float64Array(size),
        movedEnergy: new Float64Array(size),
        ratioMin: new Float64Array(size).fill(Infinity),
        ratioMax: new Float64Array(size).fill(-Infinity),
        hashBefore: new Int32Array(size),
        hashAfter: new Int32Array(size),
      },
    ];
  });
}

const numbers = new Float64Array(1);
const words = new Int32Array(numbers.buffer);

/** A 32-bit hash of a number. */
export function hashNumber(value: number): number {
  numbers[0] = value;
  return mixWord(Math.imul(words[0], 0x9e3779b1) ^ words[1]);
}

/** A permutation of the 32-bit words that leaves no bit alone (the constants are Ellis's "lowbias32"). */
export function mixWord(input: number): number {
  let word = input;
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return word ^ (word >>> 15);
}

/** One pair of elements; the record is reused from element to element. */
export interface ElementPair {
  index: number;
  before: number;
  after: number;
  isChanged: boolean;
  hashBefore: number;
  hashAfter: number;
}

/** Adds one pair of elements; elements must come in row-major order. */
export function addToAxis(tally: AxisTally, pair: Readonly<ElementPair>): void {
  const at = Math.floor(pair.index / tally.stride) % tally.size;
  const { before, after } = pair;
  const change = after - before;
  if (pair.isChanged) tally.changed[at] += 1;
  if (Number.isFinite(change)) {
    tally.energy[at] += change * change;
    tally.baseEnergy[at] += before * before;
    if (after !== 0) tally.movedEnergy[at] += change * change;
  }
  if (before !== 0 || after !== 0) {
    const ratio = before === 0 ? Infinity : after / before;
    if (!(ratio >= tally.ratioMin[at])) tally.ratioMin[at] = ratio;
    if (!(ratio <= tally.ratioMax[at])) tally.ratioMax[at] = ratio;
  }
  tally.hashBefore[at] = Math.imul(tally.hashBefore[at], 0x01000193) ^ pair.hashBefore;
  tally.hashAfter[at] = Math.imul(tally.hashAfter[at], 0x01000193) ^ pair.hashAfter;
}

/** True when the same lines lie in another order: equal multisets of line hashes, unequal lists. */
export function isAxisPermuted({ size, hashBefore, hashAfter }: AxisTally): boolean {
  const before = hashBefore.slice().sort();
  const after = hashAfter.slice().sort();
  let isSame = true;
  for (let i = 0; i < size; i++) {
    if (before[i] !== after[i]) return false;
    isSame &&= hashBefore[i] === hashAfter[i];
  }
  return !isSame;
}
