import { describe, expect, test } from 'vitest';
import type { Layer } from '../../align/index.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { findLayerIndex, listMarkableLayers, listSegments, listSegmentsIn, toLayout } from './layout.ts';

const key = new Uint8Array(32).fill(4);

function layer(name: string, shape: number[], part: Partial<Layer> = {}): Layer {
  return {
    name,
    kind: 'plain',
    dtype: 'f32',
    storedShape: shape,
    shape,
    outAxis: 0,
    inAxis: 1,
    groups: 1,
    isOutput: false,
    out: null,
    in: null,
    ...part,
  };
}

describe('layout', () => {
  test('256 bits below a million weights, 1,024 from there on', () => {
    expect(toLayout([layer('a', [999, 1001])], key).bits).toBe(256);
    expect(toLayout([layer('a', [1000, 1000])], key).bits).toBe(1024);
    expect(toLayout([layer('a', [1000, 1000])], key, 512).bits).toBe(512);
  });

  test('outputs, small layers and types without numbers carry nothing', () => {
    const layers = [
      layer('head', [100, 100], { isOutput: true }),
      layer('tiny', [31, 33]),
      layer('ids', [100, 100], { dtype: 'i64' }),
      layer('good', [32, 32]),
    ];
    expect(listMarkableLayers({ v: 1, layers, vectors: [], spaces: [] }).map(({ name }) => name)).toEqual(['good']);
  });

  test('a large model is sampled in keyed tiles, at most 16 M positions, spread over all layers', () => {
    const layers = Array.from({ length: 30 }, (_, i) => layer(`l${i}`, [8192, 8192]));
    const layout = toLayout(layers, key);
    expect(layout.total).toBe(30 * 8192 * 8192);
    expect(layout.sampled).toBeLessThanOrEqual(WATERMARK_LIMITS.sampleWeightsMax);
    expect(layout.sampled).toBeGreaterThan(0.999 * WATERMARK_LIMITS.sampleWeightsMax);
    expect(new Set(layout.tiles).size).toBe(layout.tiles.length);
    const perLayer = new Map<number, number>();
    for (const { layerIndex, count } of listSegments(layout)) {
      perLayer.set(layerIndex, (perLayer.get(layerIndex) ?? 0) + count);
    }
    for (const count of perLayer.values()) expect(count).toBeGreaterThan(layout.sampled / 60);
    expect(toLayout(layers, new Uint8Array(32)).tiles).not.toEqual(layout.tiles);
  });

  test('segments cover every position once, and a cut of a layer finds the same ones', () => {
    const layout = toLayout([layer('a', [50, 101]), layer('b', [77, 99]), layer('c', [64, 64])], key);
    const found = [...listSegments(layout)];
    let next = 0;
    for (const { layerIndex, first, count, tile, tileOffset } of found) {
      expect(layout.layers[layerIndex].start + first).toBe(next);
      expect(tile * WATERMARK_LIMITS.tileWeights + tileOffset).toBe(next);
      expect(findLayerIndex(layout, next)).toBe(layerIndex);
      next += count;
    }
    expect(next).toBe(layout.total);
    const cut = [...listSegmentsIn(layout, 1, 0, 1000), ...listSegmentsIn(layout, 1, 1000, 77 * 99 - 1000)];
    const positions = (list: typeof found): number[] =>
      list
        .filter((item) => item.layerIndex === 1)
        .flatMap((item) => Array.from({ length: item.count }, (_, i) => item.first + i));
    expect(positions(cut)).toEqual(positions(found));
  });
});
