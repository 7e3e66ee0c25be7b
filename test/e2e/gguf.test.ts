/** GGUF files through the command: looked at, marked, vouched for, labelled and sealed. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModelPath, toGguf } from '../../src/formats/index.ts';
import type {
  DetectReport,
  EmbedResult,
  InspectReport,
  OpenSealedResult,
  VerifyModelReport,
} from '../../src/workflows/index.ts';
import { runPlan } from '../formats/models.ts';
import { toQuantisedGguf } from '../formats/quantise-gguf.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
const at = (name: string): string => join(place.folder, name);

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(join(samples, 'mlp.onnx'), at('mlp.onnx'));
  const model = openModelPath(at('mlp.onnx'));
  writeFileSync(at('f32.gguf'), runPlan(toGguf(model, 'f32.gguf').plan));
  writeFileSync(at('q8_0.gguf'), toQuantisedGguf(model, 'q8_0'));
  writeFileSync(at('q4_k.gguf'), toQuantisedGguf(model, 'q4_k'));
  model.close();
});
afterAll(() => {
  place.remove();
});

test('inspect lists block types, logical shapes and metadata', () => {
  const report = place.json<InspectReport>(['inspect', 'q4_k.gguf']);
  expect(report).toMatchObject({ format: 'gguf', graph: null, metadata: { 'general.architecture': 'unknown' } });
  expect(report.tensors.find(({ name }) => name === 'fc2.weight')).toMatchObject({ dtype: 'q4_k', shape: [192, 256] });
});

test('a mark put into ONNX is claimed in GGUF, plain and quantised', () => {
  const { marked } = place.json<EmbedResult>(['embed', 'mlp.onnx', '--unmeasured', '--out', 'marked']);
  const model = openModelPath(marked.path);
  writeFileSync(at('stolen.gguf'), runPlan(toGguf(model, 'stolen.gguf').plan));
  writeFileSync(at('stolen-q4_k.gguf'), toQuantisedGguf(model, 'q4_k'));
  model.close();
  for (const name of ['stolen.gguf', 'stolen-q4_k.gguf']) {
    expect(place.json<DetectReport>(['detect', name])).toMatchObject({ verdict: 'claim' });
  }
  expect(place.json<DetectReport>(['detect', 'f32.gguf'])).toMatchObject({ verdict: 'none' });
});

test('a quantised GGUF itself is marked, keeps its size, and is claimed', () => {
  const name = 'q4_k.gguf';
  const { marked } = place.json<EmbedResult>(['embed', name, '--unmeasured', '--out', `marked-${name}`]);
  expect(readFileSync(marked.path)).toHaveLength(readFileSync(at(name)).length);
  expect(place.json<DetectReport>(['detect', marked.path])).toMatchObject({ verdict: 'claim' });
});

test('a flipped bit is found by verify, down to the code', () => {
  place.json(['baseline', 'q8_0.gguf']);
  expect(place.json<VerifyModelReport>(['verify', 'q8_0.gguf'])).toMatchObject({ verdict: 'unchanged' });
  const { tensors } = place.json<InspectReport>(['inspect', 'q8_0.gguf']);
  const { name, start } = tensors.find(({ dtype }) => dtype === 'q8_0')!;
  const bytes = readFileSync(at('q8_0.gguf'));
  bytes[start + 34 + 2 + 5] ^= 0x40;
  writeFileSync(at('flipped.gguf'), bytes);
  const run = place.run(['verify', 'flipped.gguf', '--baseline', 'q8_0.baseline.json', '--json']);
  expect(run.status).toBe(1);
  const { changes } = JSON.parse(run.stdout) as VerifyModelReport;
  expect(changes).toMatchObject([{ kind: 'bit-flip', tensor: name, element: 37, bit: 6, severity: 'high' }]);
});

test('a label goes in and out', () => {
  place.json(['label', 'write', 'f32.gguf', '--text', 'acme', '--out', 'labelled.gguf']);
  expect(place.json(['label', 'read', 'labelled.gguf'])).toMatchObject({ label: 'acme' });
});

test('a sealed GGUF is inspected without plaintext on disk, and opens to the same bytes', () => {
  place.json(['seal', 'q4_k.gguf', '--out', 'sealed/q4_k.seal']);
  expect(place.json<InspectReport>(['inspect', 'sealed/q4_k.seal'])).toMatchObject({ format: 'gguf', isSealed: true });
  const { files } = place.json<OpenSealedResult>(['open', 'sealed/q4_k.seal', '--out', 'opened']);
  expect(readFileSync(files[0].path).equals(readFileSync(at('q4_k.gguf')))).toBe(true);
});

test('a damaged header is refused with its code and offset', () => {
  const bytes = readFileSync(at('f32.gguf'));
  bytes[8] = 200;
  writeFileSync(at('damaged.gguf'), bytes);
  const run = place.run(['inspect', 'damaged.gguf', '--json']);
  expect(run.status).toBe(3);
  const { error } = JSON.parse(run.stdout) as { error: { code: string; fields: Record<string, unknown> } };
  expect(error.code).toMatch(/^GGUF_/);
  expect(error.fields.offset).toBeTypeOf('number');
});
