/** Models whose neurons have their place by design: independent ones agree in it, and are not called derived. */
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openModelPath } from '../formats/index.ts';
import { createModelSpec, createRng, MODEL_NAMES, openNetwork, type Weights } from '../lab/index.ts';
import type { Model } from '../model/types.ts';
import { compareLineage } from './index.ts';
import { toFrame } from './pairs.ts';
import { isLayerPlaced, isPlaced } from './placed.ts';
import { isInStep } from './spectrum.ts';

const spec = createModelSpec('mlp');
const SHAPES: readonly (readonly [string, number, number])[] = [
  ['fc1', 256, 144],
  ['fc2', 192, 256],
  ['fc3', 10, 192],
];

interface Place {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}
type Draw = (place: Place, gaussian: () => number) => number;

/** Weights of the sample architecture, each drawn by its place. */
function draw(seed: string, make: Draw): Model {
  const rng = createRng(seed);
  const weights: Weights = new Map(
    SHAPES.flatMap(([name, rows, columns]) => {
      const values = Float32Array.from({ length: rows * columns }, (_, at) =>
        make({ row: Math.floor(at / columns), column: at % columns, rows, columns }, () => rng.gaussian()),
      );
      const bias = Float32Array.from({ length: rows }, () => rng.gaussian());
      return [[`${name}.weight`, values] as const, [`${name}.bias`, bias] as const];
    }),
  );
  return openNetwork(spec, weights);
}

const distance = ({ row, column, rows, columns }: Place): number => Math.abs(row / rows - column / columns);

const countOnes = (bits: number): number => bits.toString(2).replaceAll('0', '').length;

const DESIGNS: readonly (readonly [string, Draw])[] = [
  ['identity at the start', ({ row, column }, gaussian) => Number(row === column) + 0.02 * gaussian()],
  ['bands of one sign', (place, gaussian) => (distance(place) < 0.05 ? 0.5 + 0.1 * gaussian() : 0)],
  ['bands', (place, gaussian) => (distance(place) < 0.02 ? gaussian() : 0)],
  [
    'triangular masks of one sign',
    ({ row, column, rows, columns }, gaussian) => (column / columns <= row / rows ? Math.abs(gaussian()) : 0),
  ],
  ['identities side by side', ({ row, column }, gaussian) => Number(row % 48 === column % 48) + 0.05 * gaussian()],
  ['groups of every sixteenth', ({ row, column }, gaussian) => (row % 16 === column % 16 ? gaussian() : 0)],
  [
    'places in steps of 77',
    ({ row, column }, gaussian) => Number((row * 77) % 144 === column % 144) + 0.05 * gaussian(),
  ],
  [
    'cosines of rising frequency',
    ({ row, column, columns }, gaussian) => Math.cos((Math.PI * row * (column + 0.5)) / columns) + 0.3 * gaussian(),
  ],
  [
    'signs of a Hadamard matrix',
    ({ row, column }, gaussian) => 1 - 2 * (countOnes(row & column) % 2) + 0.5 * gaussian(),
  ],
  ['tuning curves', (place, gaussian) => Math.exp(-((distance(place) / 0.03) ** 2)) + 0.05 * gaussian()],
];

const without = (model: Model): Model => ({ ...model, graph: null });

describe('independent models of one design', () => {
  test.each(DESIGNS)('%s: not derived, with a graph and without', (_, make) => {
    const [a, b] = ['a', 'b'].map((seed) => draw(seed, make));
    const judged = compareLineage({ suspect: a, originals: [b] });
    expect(judged.verdict).toBe('inconclusive');
    // Curves that neighbours share cannot be told apart in the first place.
    expect(['neurons-placed', 'too-few-neurons']).toContain(judged.code);
    expect(judged.originals[0].order.placed).toContain('fc1.weight');
    expect(compareLineage({ suspect: without(a), originals: [without(b)] }).verdict).not.toBe('derived');
  });

  test('a design in the first layer alone is no order of the others', () => {
    const [first] = [DESIGNS[1][1]];
    const make: Draw = (place, gaussian) => (place.columns === 144 ? first(place, gaussian) : gaussian());
    const judged = compareLineage({ suspect: draw('a', make), originals: [draw('b', make)] });
    expect(judged.verdict).not.toBe('derived');
    expect(judged.originals[0].order.placed).toEqual(['fc1.weight']);
  });
});

test('a layer that is placed in one of the models alone is left out, whichever is the suspect', () => {
  const [designed, plain] = [draw('a', DESIGNS[1][1]), draw('b', (_, gaussian) => gaussian())];
  for (const [suspect, original] of [
    [designed, plain],
    [plain, designed],
  ]) {
    const { order, agreement } = compareLineage({ suspect, originals: [original] }).originals[0];
    expect(order.placed).toEqual(['fc1.weight', 'fc2.weight']);
    expect(agreement?.layers).toEqual([]);
  }
});

describe('neurons without a design', () => {
  test('tell nothing of their number: none of 200 random layers is left out', () => {
    const rng = createRng('placed');
    const layers = Array.from({ length: 200 }, (_, at) => {
      const [rows, width] = [16 + ((at * 37) % 200), 16 + ((at * 53) % 200)];
      // Columns of unequal size, as trained layers have them.
      const sizes = Float64Array.from({ length: width }, () => Math.exp(rng.gaussian()));
      const lengths = Float64Array.from({ length: rows }, () => Math.exp(at % 2 === 0 ? 0 : rng.gaussian()));
      const values = Float32Array.from({ length: rows * width }, (__, i) => {
        const isPruned = at % 3 === 0 && rng.uniform() < 0.9;
        return isPruned ? 0 : sizes[i % width] * lengths[Math.floor(i / width)] * rng.gaussian();
      });
      return isPlaced(values, rows) || isInStep(values, rows);
    });
    expect(layers.filter(Boolean)).toHaveLength(0);
    expect(isPlaced(new Float32Array(64), 8)).toBe(false);
  });

  test.each(MODEL_NAMES)('no layer of the trained sample %s is left out', (name) => {
    const model = openModelPath(resolve(import.meta.dirname, `../../samples/${name}.onnx`));
    const { layers } = toFrame(model);
    expect(layers.filter(({ layer }) => !layer.isOutput).filter(isLayerPlaced)).toEqual([]);
    model.close();
  });
});

describe('rows of a grouped convolution', () => {
  const [groups, each, width] = [4, 24, 96];
  const labels = Int32Array.from({ length: groups * each }, (_, row) => Math.floor(row / each));
  /** Weights whose inputs were rescaled by e^±1: alike for all rows of a group, that read the same inputs. */
  const draw = (seed: string, weight: (row: number, column: number, gaussian: number) => number): Float32Array => {
    const rng = createRng(seed);
    const scales = Array.from({ length: groups * width }, () => Math.exp(2 * rng.uniform() - 1));
    return Float32Array.from({ length: groups * each * width }, (_, at) => {
      const [row, column] = [Math.floor(at / width), at % width];
      return scales[labels[row] * width + column] * weight(row % each, column, rng.gaussian());
    });
  };

  test('are told apart by their groups, which says nothing of their places', () => {
    const drawn = Array.from({ length: 60 }, (_, n) => draw(`g${n}`, (_row, _column, gaussian) => gaussian));
    const judge = (values: Float32Array, own?: Int32Array): boolean =>
      isPlaced(values, labels.length, own) || isInStep(values, labels.length, own);
    expect(drawn.filter((values) => judge(values, labels))).toHaveLength(0);
    expect(drawn.filter((values) => judge(values)).length).toBeGreaterThan(10);
  });

  test('that have their place within their group are found', () => {
    const placed = draw('p', (row, column, gaussian) => Number(column % each === row) + 0.05 * gaussian);
    const banded = draw('b', (row, column, gaussian) => (Math.abs(row / each - column / width) < 0.05 ? gaussian : 0));
    for (const values of [placed, banded]) {
      expect(isPlaced(values, labels.length, labels) || isInStep(values, labels.length, labels)).toBe(true);
    }
  });
});
