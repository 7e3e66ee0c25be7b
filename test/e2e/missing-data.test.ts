/** A model whose data file is gone: nothing is claimed about it, and the one thing to do is said. */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { VerifyModelReport } from '../../src/workflows/index.ts';
import { f32Bytes, tinyExternal, tinyModel, tinyNode, tinyValue } from '../tiny-onnx.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  const weights = f32Bytes(Array.from({ length: 64 }, (_, i) => Math.sin(i)));
  const tensors = [tinyExternal('w', 'f32', [8, 8], { location: 'w.bin', offset: 0, length: 256 })];
  const model = tinyModel({
    inputs: [tinyValue('x', 'f32', [1, 8])],
    outputs: [tinyValue('y', 'f32', [1, 8])],
    nodes: [tinyNode('MatMul', ['x', 'w'], ['y'])],
    tensors,
  });
  writeFileSync(join(place.folder, 'm.onnx'), model);
  writeFileSync(join(place.folder, 'w.bin'), weights);
  place.json(['baseline', 'm.onnx']);
  cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  cpSync(join(samples, 'eval.npz'), join(place.folder, 'eval.npz'));
  place.json(['embed', 'mlp.onnx', '--eval', 'eval.npz', '--out', 'marked']);
  rmSync(join(place.folder, 'w.bin'));
});
afterAll(() => {
  place.remove();
});

test.each([
  ['detect', ['detect', 'm.onnx']],
  ['inspect', ['inspect', 'm.onnx']],
])('%s cannot tell: exit 4, the file that is missing, and what to do', (_, args) => {
  const refused = place.run([...args, '--json']);
  expect(refused.status).toBe(4);
  expect(JSON.parse(refused.stdout)).toMatchObject({
    error: { code: 'FORMAT_DATA_MISSING', fields: { data: 'w.bin' }, fix: expect.stringContaining('beside') as string },
  });
});

test('verify compares what is there, and calls the model changed', () => {
  const found = place.run(['verify', 'm.onnx', '--json']);
  expect(found.status).toBe(1);
  const report = JSON.parse(found.stdout) as VerifyModelReport;
  expect(report).toMatchObject({ verdict: 'changed', worst: 'high', sameTensors: null, complete: false });
  expect(report.changes.map(({ kind, detail }) => [kind, detail])).toEqual([
    ['unreadable', 'FORMAT_DATA_MISSING'],
    ['files-changed', '2 -> 1 files'],
  ]);
});

test('a path that does not exist stays a wrong path', () => {
  const refused = place.run(['inspect', 'm.onx', '--json']);
  expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'SOURCE_NOT_FOUND' } });
  expect(refused.status).toBe(6);
});
