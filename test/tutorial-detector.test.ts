/** The sample detector of the tutorial: it is what its README says, and finds what it should. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { measureDetector, toDetections } from '../scripts/detector/measure.ts';
import { PLACES } from '../scripts/detector/model.ts';
import { drawScenes } from '../scripts/detector/scenes.ts';
import { openBytes } from './formats/models.ts';

const folder = resolve(import.meta.dirname, '../samples/detector');
const bytes = new Uint8Array(readFileSync(join(folder, 'detector.onnx')));

test('every file has the size and digest that the README lists', () => {
  const rows = [
    ...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^\| (\S+) \| (\d+) \| ([0-9a-f]{64}) \|$/gm),
  ];
  expect(rows.map(([, name]) => name)).toEqual(['detector.onnx', 'pictures.npy', 'picture.npy']);
  for (const [, name, size, digest] of rows) {
    const file = readFileSync(join(folder, name));
    expect([name, file.length, createHash('sha256').update(file).digest('hex')]).toEqual([name, Number(size), digest]);
  }
});

test('it answers as detectors of the SSD family do', () => {
  expect(openBytes(bytes, 'detector.onnx').graph?.outputs).toEqual([
    { name: 'scores', dtype: 'f32', shape: ['batch', PLACES, 2] },
    { name: 'boxes', dtype: 'f32', shape: ['batch', PLACES, 4] },
  ]);
});

test('it finds nine of ten digits of fresh scenes, and nine of ten that it finds are digits', async () => {
  const { recall, precision } = await measureDetector(bytes, drawScenes('test/tutorial', 60));
  expect(recall).toBeGreaterThan(0.9);
  expect(precision).toBeGreaterThan(0.9);
});

test('of boxes that overlap the best one counts, and none below one half', () => {
  const scores = Float32Array.of(0.1, 0.9, 0.2, 0.8, 0.6, 0.4, 0.3, 0.7);
  const boxes = Float32Array.of(0.1, 0.1, 0.3, 0.3, 0.11, 0.1, 0.31, 0.3, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.9, 0.9);
  expect(toDetections(scores, boxes).map(({ score }) => Number(score.toFixed(1)))).toEqual([0.9, 0.7]);
});
