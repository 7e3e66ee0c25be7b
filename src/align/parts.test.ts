/** Layers that are read by parts give what the same layers give whole, whatever they hold: the cap is lowered for it. */
import { afterEach, expect, test } from 'vitest';
import { memoryModel, memoryTensor, seededNumbers } from '../../test/fakes/memory-model.ts';
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import type { DType } from '../model/dtype.ts';
import type { Model } from '../model/types.ts';
import { alignSuspect } from './align.ts';
import { readPart } from './large.ts';
import { toLattice } from './lattice.ts';
import { toTopology } from './topology.ts';

const limits: { -readonly [name in keyof typeof ALIGN_LIMITS]: number } = ALIGN_LIMITS;
const usual = { ...ALIGN_LIMITS };
afterEach(() => {
  Object.assign(limits, usual);
});

const numbers = seededNumbers(5);
const OWN = 'model.layers.0';
type Weights = ReadonlyMap<string, { readonly shape: readonly [number, number]; readonly values: Float32Array }>;

function drawWeights(width: number, inner: number, isTied: boolean): Weights {
  const shapes: [string, [number, number]][] = [
    ['model.embed_tokens.weight', [150, width]],
    [`${OWN}.self_attn.q_proj.weight`, [32, width]],
    [`${OWN}.self_attn.k_proj.weight`, [16, width]],
    [`${OWN}.self_attn.v_proj.weight`, [16, width]],
    [`${OWN}.self_attn.o_proj.weight`, [width, 32]],
    [`${OWN}.mlp.gate_proj.weight`, [inner, width]],
    [`${OWN}.mlp.up_proj.weight`, [inner, width]],
    [`${OWN}.mlp.down_proj.weight`, [width, inner]],
  ];
  if (!isTied) shapes.push(['lm_head.weight', [150, width]]);
  return new Map(
    shapes.map(([name, shape]) => {
      return [name, { shape, values: Float32Array.from({ length: shape[0] * shape[1] }, () => numbers.normal()) }];
    }),
  );
}

function toModel(weights: Weights, dtype: DType = 'f32'): Model {
  const settings = { model_type: 'llama', num_attention_heads: 2, num_key_value_heads: 1 };
  const tensors = [...weights].map(([name, { shape, values }]) => memoryTensor(name, shape, values, dtype));
  return { ...memoryModel(tensors), readSettings: () => JSON.stringify(settings) };
}

/** Stream and hidden units in another order, under a little noise. */
function move(weights: Weights, width: number, inner: number): Weights {
  const [stream, hidden] = [(at: number) => (at * 11 + 3) % width, (at: number) => (at * 7 + 5) % inner];
  const keep = (at: number): number => at;
  return new Map(
    [...weights].map(([name, { shape, values }]) => {
      const isOut = name.includes('down') || name.includes('o_proj');
      const toRow = isOut ? stream : name.includes('mlp') ? hidden : keep;
      const toColumn = name.includes('down') ? hidden : name.includes('o_proj') ? keep : stream;
      const moved = new Float32Array(values.length);
      values.forEach((value, at) => {
        const [row, column] = [Math.floor(at / shape[1]), at % shape[1]];
        moved[toRow(row) * shape[1] + toColumn(column)] = value + 0.1 * numbers.normal();
      });
      return [name, { shape, values: moved }];
    }),
  );
}

/** Every layer in pieces that begin and end within rows. */
function readLayers(weights: Weights, original: Model, suspect: Model): Map<string, Float64Array> {
  const { layers } = alignSuspect({ topology: toTopology(original), original, suspect });
  return new Map(
    [...weights].map(([name, { values }]) => {
      const all = new Float64Array(values.length);
      for (let at = 0; at < all.length; at += 777) layers.get(name)!.read(at, all.subarray(at, at + 777));
      return [name, all];
    }),
  );
}

function toCosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, own, other] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    if (Number.isNaN(a[i]) || Number.isNaN(b[i])) continue;
    product += a[i] * b[i];
    own += a[i] ** 2;
    other += b[i] ** 2;
  }
  return product / Math.sqrt(own * other);
}

const listMissing = (values: Float64Array): number[] => [...values.keys()].filter((at) => Number.isNaN(values[at]));

type Change = (weights: Weights) => void;
const each = (weights: Weights, change: (values: Float32Array, columns: number) => void): void => {
  for (const { values, shape } of weights.values()) change(values, shape[1]);
};
const nothing: Change = () => undefined;

const CASES: readonly (readonly [string, DType, { readonly ours?: Change; readonly theirs?: Change }])[] = [
  ['singles', 'f32', {}],
  ['bfloat16', 'bf16', {}],
  ['doubles', 'f64', {}],
  ['blocks of eight bits', 'q8_0', {}],
  ['blocks of four bits', 'q4_0', {}],
  [
    'numbers that are none',
    'f32',
    {
      theirs: (weights) => {
        each(weights, (values) => {
          values.forEach((_, at) => (values[at] = at % 97 === 0 ? Number.NaN : values[at]));
        });
      },
    },
  ],
  [
    'rows of zeros in the suspect',
    'f32',
    {
      theirs: (weights) => {
        each(weights, (values, columns) => values.fill(0, 0, 5 * columns));
      },
    },
  ],
  [
    'dead hidden units in the original',
    'f32',
    {
      ours: (weights) => {
        for (const part of ['gate', 'up']) {
          const { values, shape } = weights.get(`${OWN}.mlp.${part}_proj.weight`)!;
          values.fill(0, 0, 20 * shape[1]);
        }
      },
    },
  ],
  [
    'rows that are equal',
    'f32',
    {
      ours: (weights) => {
        each(weights, (values, columns) => values.copyWithin(0, 3 * columns, 6 * columns));
      },
    },
  ],
];

test.each(CASES)('%s', (_, dtype, { ours = nothing, theirs = nothing }) => {
  const isBlocks = dtype.startsWith('q');
  const [width, inner] = isBlocks ? [64, 96] : [67, 101];
  const weights = drawWeights(width, inner, !isBlocks);
  ours(weights);
  const moved = move(weights, width, inner);
  theirs(moved);
  const [original, suspect] = [toModel(weights), toModel(moved, dtype)];
  const whole = readLayers(weights, original, suspect);
  limits.wholeElementsMax = 0;
  const parts = readLayers(weights, original, suspect);
  for (const [name, { values }] of weights) {
    const [a, b] = [whole.get(name)!, parts.get(name)!];
    expect(listMissing(b)).toEqual(listMissing(a));
    expect(toCosine(b, values)).toBeGreaterThan(toCosine(a, values) - 0.02);
    expect(toCosine(a, b)).toBeGreaterThan(0.98);
  }
});

test('doubles that no single can hold are taken for nothing, as what is no number', () => {
  const [tensor] = memoryModel([memoryTensor('w', [2, 3], [1, 1e300, -2, Number.NaN, -1e39, 3], 'f64')]).tensors;
  const shape = { tensor, shape: tensor.shape, outAxis: 0, inAxis: 1, groups: 1 };
  expect([...toLattice(shape).values]).toEqual([1, 0, -2, 0, 0, 3]);
  expect([...readPart(shape, { out: Int32Array.of(0, 1), in: Int32Array.of(0, 1, 2) }, 0).values]).toEqual([
    ...[1, 0, -2, 0, 0, 3],
  ]);
});
