/** Layers beyond the cap on what is held whole, against the same layers held whole. */
import { describe, expect, test } from 'vitest';
import { memoryModel, memoryTensor, seededNumbers } from '../../test/fakes/memory-model.ts';
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import type { DType } from '../model/dtype.ts';
import type { Model } from '../model/types.ts';
import { alignSuspect } from './align.ts';
import { readPart, toCentre } from './large.ts';
import { toLattice } from './lattice.ts';
import { toTopology } from './topology.ts';
import { matchViews } from './views.ts';

const numbers = seededNumbers(12);
const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => numbers.normal());

describe('a part of a layer', () => {
  const [rows, columns] = [48, 64];
  const values = draw(rows * columns).map((value) => 4 * value);
  const part = { out: Int32Array.of(3, 2, 47, 0), in: Int32Array.of(5, 63, 6) };

  test.each([
    'f32',
    'f16',
    'bf16',
    'q8_0',
    'i8',
    'i4',
  ] as const)('of %s has the numbers of the whole', (dtype: DType) => {
    const codes = dtype.startsWith('i') ? values.map((value) => Math.max(-8, Math.min(7, Math.round(value)))) : values;
    const [tensor] = memoryModel([memoryTensor('w', [rows, columns], codes, dtype)]).tensors;
    for (const isTurned of [false, true]) {
      for (const moved of [undefined, Int32Array.from({ length: rows }, (_, at) => rows - 1 - at)]) {
        if (isTurned && moved !== undefined) continue;
        const [outAxis, inAxis] = isTurned ? [1, 0] : [0, 1];
        const shape = { tensor, shape: tensor.shape, outAxis, inAxis, groups: 1, ...(moved && { rows: moved }) };
        const whole = toLattice(shape);
        const some = isTurned ? { out: part.in, in: part.out } : part;
        const found = readPart(shape, some, toCentre(shape));
        some.out.forEach((out, k) => {
          some.in.forEach((input, l) => {
            expect(found.values[found.toIndex(k, l)]).toBeCloseTo(whole.values[whole.toIndex(out, input)], 5);
          });
        });
      }
    }
  });
});

const [TOKENS, WIDTH, INNER] = [4160, 512, 4160];
const HEADS = { heads: 4, keyHeads: 2, width: 16 };

type Weights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;

/** One block of a Llama checkpoint whose tables and hidden layers are beyond the cap. */
function drawWeights(): Weights {
  const { heads, keyHeads, width } = HEADS;
  const own = 'model.layers.0';
  const shapes: [string, number[]][] = [
    ['model.embed_tokens.weight', [TOKENS, WIDTH]],
    [`${own}.self_attn.q_proj.weight`, [heads * width, WIDTH]],
    [`${own}.self_attn.k_proj.weight`, [keyHeads * width, WIDTH]],
    [`${own}.self_attn.v_proj.weight`, [keyHeads * width, WIDTH]],
    [`${own}.self_attn.o_proj.weight`, [WIDTH, heads * width]],
    [`${own}.mlp.gate_proj.weight`, [INNER, WIDTH]],
    [`${own}.mlp.up_proj.weight`, [INNER, WIDTH]],
    [`${own}.mlp.down_proj.weight`, [WIDTH, INNER]],
    ['lm_head.weight', [TOKENS, WIDTH]],
  ];
  return new Map(shapes.map(([name, shape]) => [name, { shape, values: draw(shape[0] * shape[1]) }]));
}

function toModel(weights: Weights): Model {
  const { heads, keyHeads } = HEADS;
  const settings = { model_type: 'llama', num_attention_heads: heads, num_key_value_heads: keyHeads };
  const tensors = [...weights].map(([name, { shape, values }]) => memoryTensor(name, shape, values));
  return { ...memoryModel(tensors), readSettings: () => JSON.stringify(settings) };
}

/** Stream and hidden units in steps of eleven, scaled by e^±1 where that is free, signs of the stream turned. */
const toStream = (at: number): number => (at * 11 + 3) % WIDTH;
const toHidden = (at: number): number => (at * 11 + 5) % INNER;
const toScale = (at: number): number => Math.exp(2 * ((at * 0.618) % 1) - 1);
const keep = (at: number): number => at;

function moveWeights(weights: Weights, { noise, isTurned }: { noise: number; isTurned: boolean }): Weights {
  const toSign = (at: number): number => (isTurned && at % 3 === 0 ? -1 : 1);
  return new Map(
    [...weights].map(([name, { shape, values }]) => {
      const [rows, columns] = shape;
      const isUp = name.includes('up_proj');
      const isDown = name.includes('down_proj');
      const toRow = name.includes('gate') || isUp ? toHidden : isDown || name.includes('o_proj') ? toStream : keep;
      const toColumn = isDown ? toHidden : name.includes('o_proj') ? keep : toStream;
      const moved = noise === 0 ? new Float32Array(values.length) : draw(values.length).map((value) => noise * value);
      for (let row = 0; row < rows; row++) {
        const rowFactor = (isUp ? toScale(row) : 1) * (toRow === toStream ? toSign(row) : 1);
        for (let column = 0; column < columns; column++) {
          const factor = rowFactor * (isDown ? 1 / toScale(column) : 1) * (toColumn === toStream ? toSign(column) : 1);
          const to = toRow(row) * columns + toColumn(column);
          moved[to] = (values[row * columns + column] + moved[to]) * factor;
        }
      }
      return [name, { shape, values: moved }];
    }),
  );
}

describe('a model with layers that are never held whole', () => {
  const weights = drawWeights();
  const original = toModel(weights);
  const topology = toTopology(original);
  const wide = topology.spaces.findIndex(({ channels }) => channels === INNER);
  const align = (suspect: Model) => alignSuspect({ topology, original, suspect });
  /** Cosine of some of the original's rows with the aligned ones, and the ratio of their lengths. */
  const compare = (name: string, { layers }: ReturnType<typeof align>): { cosine: number; size: number } => {
    const { values, shape } = weights.get(name)!;
    const count = 40 * shape[1] + 17;
    const first = 3 * shape[1] + 5;
    const own = values.subarray(first, first + count);
    const theirs = new Float64Array(count);
    layers.get(name)!.read(first, theirs);
    let [product, a, b] = [0, 0, 0];
    own.forEach((value, at) => {
      product += value * theirs[at];
      a += value * value;
      b += theirs[at] * theirs[at];
    });
    return { cosine: product / Math.sqrt(a * b), size: Math.sqrt(b / a) };
  };

  test('its layers are beyond the cap, and its hidden units beyond the exact assignment', () => {
    const large = [...weights.values()].filter(({ values }) => values.length > ALIGN_LIMITS.wholeElementsMax);
    expect(large).toHaveLength(5);
    expect(INNER).toBeGreaterThan(ALIGN_LIMITS.exactAssignmentMax);
  });

  const noisy = moveWeights(weights, { noise: 0.5, isTurned: false });

  test.each([
    // The plainest, of which the two others hold every part.
    ...(process.env.SLOW === '1'
      ? [['moved and rescaled', 0, () => moveWeights(weights, { noise: 0, isTurned: false })] as const]
      : []),
    ['moved and rescaled, under noise of half the weights', 0.5, () => noisy],
    ['moved and rescaled, with signs turned', 0, () => moveWeights(weights, { noise: 0, isTurned: true })],
  ] as const)('%s: every channel is found, and the weights come back in order and size', (_, noise, move) => {
    const found = align(toModel(move()));
    expect(found.channelMaps[wide]).toEqual(Int32Array.from({ length: INNER }, (_unused, at) => toHidden(at)));
    expect(found.channelMaps[0]).toEqual(Int32Array.from({ length: WIDTH }, (_unused, at) => toStream(at)));
    for (const [name, { values }] of weights) {
      if (values.length <= ALIGN_LIMITS.wholeElementsMax) continue;
      const { cosine, size } = compare(name, found);
      expect(cosine).toBeGreaterThan(1 / Math.sqrt(1 + noise * noise) - 0.03);
      expect(Math.abs(Math.log(size))).toBeLessThan(0.1);
    }
  });

  test('its neurons are matched from both sides for lineage; a stranger agrees in none', () => {
    const view = (suspect: Model) =>
      matchViews({ topology, original, suspect }).matches.find(({ space }) => space === wide)!;
    expect(view(toModel(noisy))).toMatchObject({
      ...{ kind: 'sides', neurons: INNER, alike: 0, agreed: INNER },
    });
    const stranger = moveWeights(drawWeights(), { noise: 0, isTurned: false });
    expect(view(toModel(stranger)).agreed).toBeLessThan(INNER / 100);
  });
});
