import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memoryModel, memoryTensor } from '../../test/fakes/memory-model.ts';
import { LINEAGE_LIMITS } from '../core/limits/lineage.ts';
import type { DType } from '../model/dtype.ts';
import { readAt } from './elements.ts';
import { samplePlaces, spreadIndices } from './sample.ts';

const values = Float64Array.from({ length: 1024 }, (_, i) => Math.abs(Math.round(100 * Math.sin(i)) % 7));

describe('elements at chosen places', () => {
  test.each<DType>([
    'f32',
    'f64',
    'f16',
    'bf16',
    'i8',
    'i4',
    'u4',
    'q8_0',
    'q4_0',
  ])('of %s are those of the whole tensor, in the order that was asked for', (dtype) => {
    const { tensors } = memoryModel([memoryTensor('t', [32, 32], values, dtype)]);
    const whole = readAt(
      tensors[0],
      Float64Array.from({ length: 1024 }, (_, i) => i),
    );
    expect(new Set(whole).size).toBeGreaterThan(4);
    const places = fc.array(fc.integer({ min: 0, max: 1023 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(places, (wanted) => {
        const found = readAt(tensors[0], Float64Array.from(wanted));
        expect([...found]).toEqual(wanted.map((place) => whole[place]));
      }),
    );
  });

  test('that are not finite count as 0', () => {
    const { tensors } = memoryModel([memoryTensor('t', [3], [NaN, Infinity, 2])]);
    expect([...readAt(tensors[0], Float64Array.of(2, 1, 0))]).toEqual([2, 0, 0]);
  });

  test('far apart are read by themselves: a tensor is never read whole for a few', () => {
    const read: number[] = [];
    const tensor = {
      ...memoryModel([memoryTensor('t', [1], [0])]).tensors[0],
      elementCount: 2 ** 30,
      read: (_offset: number, into: Uint8Array) => void read.push(into.length),
    };
    readAt(tensor, Float64Array.of(0, 2 ** 20, 2 ** 29));
    expect(read).toEqual([4, 4, 4]);
  });
});

describe('samples', () => {
  test('of a small tensor are all of it; of a large one they are spread, ascending and inside', () => {
    expect([...samplePlaces(5, 10)]).toEqual([0, 1, 2, 3, 4]);
    const count = 10_000_019;
    const places = samplePlaces(count, LINEAGE_LIMITS.sampleElementsMax);
    expect(places.length).toBe(LINEAGE_LIMITS.sampleElementsMax);
    expect(places.every((place, i) => place >= 0 && place < count && (i === 0 || place > places[i - 1]))).toBe(true);
    expect(places[places.length - 1]).toBeGreaterThan(0.98 * count);
    const columns = new Set(Array.from(places, (place) => place % 4096));
    expect(columns.size).toBe(4096);
  });

  test('of indices are spread from 0', () => {
    expect([...spreadIndices(10, 5)]).toEqual([0, 2, 4, 6, 8]);
    expect([...spreadIndices(3, 5)]).toEqual([0, 1, 2]);
  });
});
