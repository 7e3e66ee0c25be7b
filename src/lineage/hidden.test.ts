import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findRuntime } from '../adapters/runtime/index.ts';
import { openModel } from '../formats/index.ts';
import {
  buildNetwork,
  createModelSpec,
  createRng,
  exportWeights,
  openNetwork,
  permute,
  readWeights,
} from '../lab/index.ts';
import type { Model } from '../model/types.ts';
import { openBufferSource } from '../source/index.ts';
import { toCka } from './cka.ts';
import { compareHidden } from './hidden.ts';

const samples = resolve(import.meta.dirname, '../../samples');
const open = (name: string): Model =>
  openModel({ source: openBufferSource(name, readFileSync(join(samples, name))), name, folder: null });

const rows = (seed: string, count: number, width: number): Float32Array => {
  const rng = createRng(seed);
  return Float32Array.from({ length: count * width }, () => rng.gaussian());
};

describe('CKA', () => {
  test('is 1 for the same values in other axes and at another scale, about 0 for independent ones', () => {
    const a = rows('a', 60, 4);
    const turned = a.map((_, i) => 3 * a[i - (i % 4) + ((i + 1) % 4)] + 7);
    expect(toCka(a, a, 60)).toBeCloseTo(1, 6);
    expect(toCka(a, turned, 60)).toBeCloseTo(1, 5);
    // Wide values make the biased estimate about 1 here: 20 samples of 2,000 numbers.
    const wide = Array.from({ length: 8 }, (_, i) => toCka(rows(`x${i}`, 20, 2000), rows(`y${i}`, 20, 2000), 20));
    expect(Math.abs(wide.reduce((sum, value) => sum + value, 0) / wide.length)).toBeLessThan(0.1);
    expect(toCka(a, new Float32Array(240), 60)).toBe(0);
  });

  test('needs four samples', () => {
    expect(() => toCka(rows('a', 3, 2), rows('b', 3, 2), 3)).toThrow(TypeError);
  });
});

describe('hidden values', () => {
  const spec = createModelSpec('mlp');
  const original = open('mlp.onnx');
  const compare = async (suspect: Model) =>
    compareHidden({ runtime: await findRuntime(), original, suspect, data: null });

  test('of a reordered copy are those of the original; of another model they are not', async () => {
    const hidden = openNetwork(spec, permute(spec, readWeights(original), { seed: '1', logScaleMax: 0 }));
    const copy = await compare(hidden);
    expect(copy).toMatchObject({ kind: 'compared', samples: 256, words: 'seeded probes' });
    if (copy.kind !== 'compared') return;
    expect(copy.layers.map(({ name }) => name)).toEqual(['fc1.weight', 'fc2.weight', 'fc3.weight']);
    for (const { cka } of copy.layers) expect(cka).toBeCloseTo(1, 3);
    const other = await compare(openNetwork(spec, exportWeights(buildNetwork(spec, 'apart'))));
    if (other.kind !== 'compared') throw new Error('not run');
    for (const { cka } of other.layers.slice(1)) expect(cka).toBeLessThan(0.95);
  });

  test('are not compared without a graph, and the reason is told', async () => {
    expect(await compare(open('mlp.safetensors'))).toEqual({ kind: 'not-run', code: 'RUNTIME_NO_GRAPH' });
  });
});
