/** PyTorch files through the command: read, detected, vouched for and sealed; never written. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModelPath } from '../../src/formats/index.ts';
import type { BaselineResult, InspectReport, OpenSealedResult, VerifyModelReport } from '../../src/workflows/index.ts';
import * as K from '../formats/pickle.ts';
import { toTorchFile } from '../formats/torch-file.ts';
import { writeTorch } from '../formats/zip.ts';
import { createWorkplace, root, samples, type Workplace } from './command.ts';

const fixture = join(root, 'test/fixtures/pytorch/2.9/checkpoint.pt');

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(fixture, join(place.folder, 'checkpoint.pt'));
});
afterAll(() => {
  place.remove();
});

/** The weights of a model file as a PyTorch file. */
function convert(path: string): Uint8Array {
  const model = openModelPath(path);
  const bytes = toTorchFile(model);
  model.close();
  return bytes;
}

test('inspect lists tensors by their state_dict paths', () => {
  const report = place.json<InspectReport>(['inspect', 'checkpoint.pt']);
  expect(report).toMatchObject({ format: 'pytorch', graph: null });
  expect(report.metadata).toMatchObject({ 'pytorch.kind': 'torch.save', 'pytorch.byteorder': 'little' });
  const names = report.tensors.map(({ name }) => name);
  expect(names).toContain('model.0.weight');
  expect(names).toContain('optimizer.state.0.exp_avg');
});

test('a mark put into ONNX is found in the PyTorch file of its weights', () => {
  cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  place.json(['embed', 'mlp.onnx', '--eval', join(samples, 'eval.npz'), '--out', 'marked']);
  writeFileSync(join(place.folder, 'suspect.pt'), convert(join(place.folder, 'marked/mlp.marked.onnx')));
  expect(place.json(['detect', 'suspect.pt'])).toMatchObject({ verdict: 'claim' });
  writeFileSync(join(place.folder, 'innocent.pt'), convert(join(place.folder, 'mlp.onnx')));
  expect(place.json(['detect', 'innocent.pt'])).toMatchObject({ verdict: 'none' });
});

test('embed is refused with the way out, and leaves nothing', () => {
  writeFileSync(join(place.folder, 'plain.pt'), convert(join(samples, 'mlp.onnx')));
  const refused = place.run(['embed', 'plain.pt', '--unmeasured', '--out', 'never', '--json']);
  expect(JSON.parse(refused.stdout)).toMatchObject({
    error: { code: 'FORMAT_READ_ONLY', fix: expect.stringContaining('safetensors') as string },
  });
  expect(refused.status).toBe(4);
  expect(place.run(['inspect', 'never/plain.marked.pt']).status).not.toBe(0);
});

test('baseline and verify: one flipped bit of a weight is named with its tensor', () => {
  expect(place.json<BaselineResult>(['baseline', 'checkpoint.pt']).tensors).toBe(27);
  expect(place.json<VerifyModelReport>(['verify', 'checkpoint.pt'])).toMatchObject({ verdict: 'unchanged' });
  const bytes = readFileSync(fixture);
  const model = openModelPath(fixture);
  const tensor = model.tensors.find(({ name }) => name === 'model.2.weight')!;
  bytes[tensor.start + 5] ^= 0x10;
  model.close();
  writeFileSync(join(place.folder, 'checkpoint.pt'), bytes);
  const found = place.run(['verify', 'checkpoint.pt', '--json']);
  expect(found.status).toBe(1);
  const report = JSON.parse(found.stdout) as VerifyModelReport;
  expect(report.changes.map((change) => change.tensor)).toContain('model.2.weight');
  cpSync(fixture, join(place.folder, 'checkpoint.pt'));
});

test('seal and open give the same bytes; the sealed model is inspected', () => {
  place.json(['seal', 'checkpoint.pt', '--out', 'sealed/checkpoint.seal']);
  expect(place.json<InspectReport>(['inspect', 'sealed/checkpoint.seal'])).toMatchObject({
    format: 'pytorch',
    isSealed: true,
  });
  const opened = place.json<OpenSealedResult>(['open', 'sealed/checkpoint.seal']);
  expect(readFileSync(opened.files[0].path).equals(readFileSync(fixture))).toBe(true);
});

test('a file that runs code when it is loaded is refused by every verb', () => {
  writeFileSync(join(place.folder, 'evil.pt'), writeTorch(K.pickle(K.call('os', 'system', K.text('id'))), {}));
  for (const args of [
    ['inspect', 'evil.pt'],
    ['baseline', 'evil.pt'],
    ['detect', 'evil.pt'],
  ]) {
    const refused = place.run([...args, '--json']);
    expect(JSON.parse(refused.stdout)).toMatchObject({
      error: { code: 'PYTORCH_UNSAFE', fields: { name: 'os.system', opcode: 'GLOBAL' } },
    });
    expect(refused.status).toBe(3);
  }
});
