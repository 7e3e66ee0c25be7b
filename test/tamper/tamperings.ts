/** Twelve ways to change a tensor, seeded: what the classes of `diff` are measured on. */
import { encodeFloats } from '../../src/model/index.ts';
import type { Rng } from '../../src/lab/index.ts';
import type { ChangeClass } from '../../src/tamper/diff/types.ts';

export interface Weights {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface Tampering {
  readonly id: string;
  readonly class: ChangeClass;
  /** Null where the change means nothing for such a tensor. */
  readonly apply: (weights: Weights, rng: Rng) => Float32Array | null;
}

const toDeviation = (values: Float32Array): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
};

/** Rows × columns of a tensor of rank two or more, as a matrix of its first axis that has more than one index. */
function toSides(shape: readonly number[]): [number, number] | null {
  const dims = shape.filter((dim) => dim > 1);
  if (dims.length < 2) return null;
  return [dims[0], dims.slice(1).reduce((product, dim) => product * dim, 1)];
}

function withFlips(values: Float32Array, count: number, bitOf: () => number, rng: Rng): Float32Array {
  const out = values.slice();
  const words = new Uint32Array(out.buffer);
  const places = new Set<number>();
  while (places.size < Math.min(count, values.length)) places.add(rng.below(values.length));
  for (const place of places) words[place] ^= (1 << bitOf()) >>> 0;
  return out;
}

function withPayload(values: Float32Array, bits: number, rng: Rng): Float32Array {
  const out = values.slice();
  const words = new Uint32Array(out.buffer);
  const mask = (1 << bits) - 1;
  for (let i = 0; i < words.length; i++) words[i] = ((words[i] & ~mask) | (rng.next() & mask)) >>> 0;
  return out;
}

function cast(values: Float32Array, to: 'f16' | 'bf16'): Float32Array {
  const bytes = new Uint8Array(2 * values.length);
  encodeFloats(to, values, bytes);
  const codes = new Uint16Array(bytes.buffer);
  if (to === 'bf16') return new Float32Array(Uint32Array.from(codes, (code) => code << 16).buffer);
  return Float32Array.from(codes, (code) => {
    const [sign, exponent, mantissa] = [code >> 15 ? -1 : 1, (code >> 10) & 31, code & 1023];
    return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
  });
}

function quantize(values: Float32Array, groupOf: (index: number) => number, top: number): Float32Array {
  const largest: number[] = [];
  values.forEach((value, i) => (largest[groupOf(i)] = Math.max(largest[groupOf(i)] ?? 0, Math.abs(value))));
  return values.map((value, i) => {
    const step = Math.fround(largest[groupOf(i)] / top);
    return step === 0 ? 0 : step * Math.round(value / step);
  });
}

function prune(values: Float32Array, share: number): Float32Array {
  const order = [...values.keys()].sort((a, b) => Math.abs(values[a]) - Math.abs(values[b]));
  const out = values.slice();
  for (const index of order.slice(0, Math.round(share * values.length))) out[index] = 0;
  return out;
}

function addLowRank({ shape, values }: Weights, rank: number, rng: Rng): Float32Array | null {
  const sides = toSides(shape);
  if (sides === null || Math.min(...sides) < 3 * rank) return null;
  const [rows, columns] = sides;
  const scale = (0.3 * toDeviation(values)) / Math.sqrt(rank);
  const u = Float64Array.from({ length: rows * rank }, () => rng.gaussian());
  const v = Float64Array.from({ length: columns * rank }, () => rng.gaussian());
  return values.map((value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += u[row * rank + k] * v[column * rank + k];
    return value + scale * sum;
  });
}

function permuteRows({ shape, values }: Weights, rng: Rng): Float32Array | null {
  const sides = toSides(shape) ?? [values.length, 1];
  const order = [...Array(sides[0]).keys()];
  for (let last = order.length - 1; last > 0; last--) {
    const other = rng.below(last + 1);
    [order[last], order[other]] = [order[other], order[last]];
  }
  if (order.every((at, i) => at === i)) order.reverse();
  return Float32Array.from(values, (_, i) => values[order[Math.floor(i / sides[1])] * sides[1] + (i % sides[1])]);
}

/** One row of a matrix, or one element of a vector, moved by half of the tensor's deviation. */
function editRow({ shape, values }: Weights, rng: Rng): Float32Array | null {
  const [rows, columns] = toSides(shape) ?? [values.length, 1];
  if (rows < 4) return null;
  const row = rng.below(rows);
  const size = 0.5 * toDeviation(values) + 1e-3;
  return values.map((value, i) => (Math.floor(i / columns) === row ? value + size * rng.gaussian() : value));
}

export const TAMPERINGS: readonly Tampering[] = [
  {
    id: 'eight exponent bits flipped',
    class: 'bit-flips',
    apply: ({ values }, rng) => withFlips(values, 8, () => 23 + rng.below(8), rng),
  },
  {
    id: 'one bit flipped',
    class: 'bit-flips',
    apply: ({ values }, rng) => withFlips(values, 1, () => rng.below(32), rng),
  },
  { id: 'payload in the lowest bit', class: 'lsb-payload', apply: ({ values }, rng) => withPayload(values, 1, rng) },
  { id: 'payload in four bits', class: 'lsb-payload', apply: ({ values }, rng) => withPayload(values, 4, rng) },
  {
    id: 'noise of a twentieth',
    class: 'fine-tuned',
    apply: ({ values }, rng) => {
      const size = 0.05 * toDeviation(values) || 0.01;
      return values.map((value) => value + size * rng.gaussian());
    },
  },
  { id: 'half pruned', class: 'pruned', apply: ({ values }) => prune(values, 0.5) },
  { id: 'fp16', class: 'fp16-cast', apply: ({ values }) => cast(values, 'f16') },
  { id: 'bf16', class: 'bf16-cast', apply: ({ values }) => cast(values, 'bf16') },
  {
    id: 'int8 per tensor',
    class: 'quantised',
    apply: ({ values }) => quantize(values, () => 0, 127),
  },
  {
    id: 'int8 per row',
    class: 'quantised',
    apply: ({ shape, values }) => {
      const sides = toSides(shape);
      return sides === null || sides[1] < 3 ? null : quantize(values, (i) => Math.floor(i / sides[1]), 127);
    },
  },
  {
    id: 'int4 per group of 32',
    class: 'quantised',
    apply: ({ values }) => (values.length % 32 === 0 ? quantize(values, (i) => Math.floor(i / 32), 7) : null),
  },
  { id: 'rank one added', class: 'low-rank-edit', apply: (weights, rng) => addLowRank(weights, 1, rng) },
  { id: 'rank four added', class: 'low-rank-edit', apply: (weights, rng) => addLowRank(weights, 4, rng) },
  { id: 'times 1.07', class: 'scaled', apply: ({ values }) => values.map((value) => value * 1.07) },
  { id: 'rows permuted', class: 'permuted', apply: permuteRows },
  { id: 'one row edited', class: 'row-edit', apply: editRow },
  {
    id: 'drawn anew',
    class: 're-initialised',
    apply: ({ values }, rng) => {
      const size = toDeviation(values) || 1;
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return values.map(() => mean + size * rng.gaussian());
    },
  },
];
