/** `modelward scan` through the command: exit codes, reports, formats, a sealed model. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ScanFileReport } from '../../src/workflows/index.ts';
import { FIRST_FAMILIES } from '../attacks/backdoors/families.ts';
import { toHost } from '../attacks/backdoors/host.ts';
import * as K from '../formats/pickle.ts';
import { external, initializer, model, node, output, tensor } from '../formats/proto.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
const at = (name: string): string => join(place.folder, name);
const read = (name: string): string => readFileSync(at(name), 'utf8');

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(join(samples, 'cnn.onnx'), at('cnn.onnx'));
  const host = toHost('cnn', readFileSync(join(samples, 'cnn.onnx')));
  for (const { id, make } of FIRST_FAMILIES) writeFileSync(at(`${id}.onnx`), make(host, 0));
});
afterAll(() => {
  place.remove();
});

test('an honest model exits 0, and says what was scanned', () => {
  const report = place.json<ScanFileReport>(['scan', 'cnn.onnx']);
  expect([report.name, report.verdict, report.findings, report.notScanned]).toEqual([
    'cnn.onnx',
    'nothing-found',
    [],
    [],
  ]);
  expect(report.scanned.map(({ part }) => part)).toEqual(['graph', 'text', 'weights']);
});

test('what was left out is exit 4, never "clean"', () => {
  const { status, stdout } = place.run(['scan', 'cnn.onnx', '--no-weights', '--quiet']);
  expect(status).toBe(4);
  expect(stdout).toContain('NOT scanned: weights');
});

test('a backdoor exits 1, and its path is printed from input to output', () => {
  const { status, stdout } = place.run(['scan', 'arithmetic.onnx', '--quiet']);
  expect(status).toBe(1);
  expect(stdout).toMatch(/G02 {2}input → .*\[trigger\] Sign .* → \[merge\] Add .* → logits/);
});

test('--fail-on sets the bar', () => {
  writeFileSync(at('https.safetensors'), toSafetensors({ license: 'https://example.org/licence' }));
  const exit = (...flags: string[]): number | null => place.run(['scan', 'https.safetensors', ...flags]).status;
  expect([exit(), exit('--fail-on', 'benign'), exit('--fail-on', 'high')]).toEqual([0, 1, 0]);
  expect(exit('--fail-on', 'whatever')).toBe(2);
});

test('SARIF names rule, level, place and flow; the page is self-contained and draws the path', () => {
  expect(place.run(['scan', 'small-conv.onnx', '--sarif', 'out/s.sarif', '--html', 'out/s.html']).status).toBe(1);
  const log = JSON.parse(read('out/s.sarif')) as {
    runs: { results: { ruleId: string; level: string; codeFlows?: { threadFlows: { locations: unknown[] }[] }[] }[] }[];
  };
  const [first] = log.runs[0].results;
  expect([first.ruleId, first.level]).toEqual(['G04', 'error']);
  expect(first.codeFlows?.[0].threadFlows[0].locations.length).toBeGreaterThan(5);
  const page = read('out/s.html');
  expect(page).toContain('<svg class="chart"');
  expect(page).toContain('head/match');
  expect(page).not.toMatch(/<script|src=|href=/);
});

test('a second storage is found although the file does not open', () => {
  const { status, stdout } = place.run(['scan', 'dual-storage.onnx', '--quiet']);
  expect(status).toBe(1);
  expect(stdout).toMatch(/S01 .*ONNX_STORAGE/);
  expect(stdout).toContain('NOT scanned: graph, text and weights');
});

test('a path out of the folder is a finding', () => {
  const body = tensor('w', 1, [1], external({ location: '../secret.bin', offset: '0', length: '4' }));
  const graph = Buffer.concat([initializer(body), node('Identity', ['w'], ['y']), output('y')]);
  writeFileSync(at('outside.onnx'), model(graph));
  const { status, stdout } = place.run(['scan', 'outside.onnx', '--quiet']);
  expect(status).toBe(1);
  expect(stdout).toContain('S02');
});

test('a pickle that runs a command, an unknown format, a damaged file, and a missing one', () => {
  writeFileSync(at('evil.pt'), K.pickle(K.join(K.call('os', 'system', K.text('id')), K.POP, K.dict())));
  writeFileSync(at('model.h5'), Buffer.from('\x89HDF\r\n\x1a\n and so on', 'latin1'));
  writeFileSync(at('cut.safetensors'), 'short');
  const exits = ['evil.pt', 'model.h5', 'cut.safetensors', 'missing.onnx'].map(
    (name) => place.run(['scan', name]).status,
  );
  expect(exits).toEqual([1, 4, 3, 6]);
});

test('a sealed model is scanned like the one inside', () => {
  place.json(['seal', 'where-gated.onnx', '--out', 'sealed/m.seal']);
  const { status, stdout } = place.run(['scan', 'sealed/m.seal', '--quiet']);
  expect([status, /G01 .*Where/.test(stdout)]).toEqual([1, true]);
});

function toSafetensors(metadata: Readonly<Record<string, string>>): Uint8Array {
  const text = Buffer.from(JSON.stringify({ __metadata__: metadata }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}
