import { describe, expect, test } from 'vitest';
import { seededNumbers } from '../../test/fakes/memory-model.ts';
import { UNMATCHED } from './assignment.ts';
import { findAlike, findMany } from './many.ts';
import type { Features } from './similarity.ts';

const [CHANNELS, WIDTH] = [1500, 96];
const numbers = seededNumbers(31);

function toUnit(values: Float32Array, width: number): Float32Array {
  for (let first = 0; first < values.length; first += width) {
    const row = values.subarray(first, first + width);
    const size = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1;
    row.forEach((value, at) => (row[at] = value / size));
  }
  return values;
}

const draw = (rows: number): Float32Array => Float32Array.from({ length: rows * WIDTH }, () => numbers.normal());
const toFeatures = (values: Float32Array): Features => ({
  ...{ rows: values.length / WIDTH, width: WIDTH, values: toUnit(values.slice(), WIDTH) },
});
/** Place p has what channel order[p] had, and noise of that share. */
function move(values: Float32Array, order: Int32Array, noise: number): Float32Array {
  const moved = draw(order.length);
  order.forEach((from, place) => {
    for (let i = 0; i < WIDTH; i++) {
      moved[place * WIDTH + i] = values[from * WIDTH + i] + noise * moved[place * WIDTH + i];
    }
  });
  return moved;
}

function shuffle(count: number): Int32Array {
  const keys = Float64Array.from({ length: count }, () => numbers.uniform());
  return Int32Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b]);
}

const own = [draw(CHANNELS), draw(CHANNELS)];
const toPieces = (theirs: readonly Float32Array[]) =>
  theirs.map((values, at) => ({ ours: toFeatures(own[at]), theirs: toFeatures(values) }));
const counts = { channels: CHANNELS, theirChannels: CHANNELS, unrelated: 'keep' as const };
const invert = (order: Int32Array, length: number): Int32Array => {
  const map = new Int32Array(length).fill(UNMATCHED);
  order.forEach((from, place) => {
    map[from] = place;
  });
  return map;
};

describe('partners of very many channels', () => {
  test.each([
    ['nearly equal', 0.05],
    ['under noise of half their size', 0.5],
    ['under noise as large as themselves', 1],
  ])('%s: all are found', (_, noise) => {
    const order = shuffle(CHANNELS);
    const { map, similarities, weight } = findMany(toPieces(own.map((values) => move(values, order, noise))), counts);
    expect(map).toEqual(invert(order, CHANNELS));
    expect(weight).toBe(2 * WIDTH);
    const cosine = similarities.reduce((sum, value) => sum + value, 0) / CHANNELS / weight;
    expect(cosine).toBeCloseTo(1 / Math.sqrt(1 + noise * noise), 1);
  });

  test('fewer and more channels than the original: those that both have', () => {
    for (const kept of [CHANNELS - 200, CHANNELS + 200]) {
      const order = shuffle(Math.max(kept, CHANNELS)).slice(0, kept);
      const wide = own.map((values) => {
        const all = draw(Math.max(kept, CHANNELS));
        all.set(values);
        return move(all, order, 0.2);
      });
      const { map } = findMany(toPieces(wide), { ...counts, theirChannels: kept });
      const wanted = invert(order, Math.max(kept, CHANNELS)).slice(0, CHANNELS);
      // Whose partner is missing may be given somebody else's place that is free.
      expect(map.filter((place, at) => wanted[at] !== UNMATCHED && place !== wanted[at])).toHaveLength(0);
    }
  });

  test('twins are told apart by the number beside their weights', () => {
    const values = own.map((all) => {
      const twins = all.slice();
      for (let row = 0; row + 1 < CHANNELS; row += 2)
        twins.copyWithin((row + 1) * WIDTH, row * WIDTH, (row + 1) * WIDTH);
      return twins;
    });
    const order = shuffle(CHANNELS);
    const bias = Float64Array.from({ length: CHANNELS }, (_, at) => (at % 2 === 0 ? -1 : 1));
    const scalars = [{ ours: bias, theirs: Float64Array.from(order, (from) => bias[from]) }];
    const pieces = values.map((all) => ({ ours: toFeatures(all), theirs: toFeatures(move(all, order, 0)) }));
    expect(findMany(pieces, { ...counts, scalars }).map).toEqual(invert(order, CHANNELS));
  });

  test('dead channels, and copies of one, take what is free in turn: not one at a time, which would not end', () => {
    const [all, dead] = [6000, 3000];
    for (const fill of [0, 1, Number.NaN]) {
      const features = toFeatures(draw(all));
      features.values.fill(fill / Math.sqrt(WIDTH), 0, dead * WIDTH);
      const { map } = findMany([{ ours: features, theirs: features }], {
        ...counts,
        channels: all,
        theirChannels: all,
      });
      expect(map.subarray(dead)).toEqual(Int32Array.from({ length: all - dead }, (_, at) => dead + at));
      const partners = map.filter((partner) => partner !== UNMATCHED);
      expect(new Set(partners).size).toBe(partners.length);
      expect(partners.length).toBeGreaterThanOrEqual(Number.isNaN(fill) ? all - dead : all);
    }
  });

  test('of a stranger keep their places, or have no partner: nothing is fitted to it', () => {
    const pieces = toPieces([draw(CHANNELS), draw(CHANNELS)]);
    expect(findMany(pieces, counts).map).toEqual(Int32Array.from({ length: CHANNELS }, (_, at) => at));
    expect(findMany(pieces, { ...counts, unrelated: 'leave' }).map).toEqual(new Int32Array(CHANNELS).fill(UNMATCHED));
  });

  test('channels as like as the bar, and no others, have a twin', () => {
    const values = own[0].slice();
    // 0 and 1 are equal but for a little, 2 and 3 are alike by 0.7.
    for (const [a, b, noise] of [
      [0, 1, 0.2],
      [2, 3, 1],
    ]) {
      for (let i = 0; i < WIDTH; i++) values[b * WIDTH + i] = values[a * WIDTH + i] + noise * numbers.normal();
    }
    const found = findAlike([toFeatures(values)], CHANNELS, 0.9);
    expect([...found.keys()].filter((at) => found[at] === 1)).toEqual([0, 1]);
  });
});
