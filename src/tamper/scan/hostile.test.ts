/** Files made against the scanner itself: it ends, keeps to its caps, says what it left out, and never crashes. */
import { describe, expect, test } from 'vitest';
import { named } from '../../../test/attacks/backdoors/benign.ts';
import { isAlarmed, scanBytes } from '../../../test/attacks/backdoors/judge.ts';
import { cast, floats, intAttribute } from '../../../test/attacks/backdoors/parts.ts';
import { mutateGguf } from '../../../test/formats/mutate-gguf.ts';
import { mutateOnnx } from '../../../test/formats/mutate-onnx.ts';
import { mutateSafetensors } from '../../../test/formats/mutate-safetensors.ts';
import { mutateTflite } from '../../../test/formats/mutate-tflite.ts';
import { mutateTorch } from '../../../test/formats/mutate-torch.ts';
import { CODE, initializer, len, node, tensor } from '../../../test/formats/proto.ts';
import { type Rng, toRng } from '../../../test/formats/random.ts';
import { ModelwardError } from '../../core/errors.ts';
import { SCAN_LIMITS } from '../../core/limits/scan.ts';

const weights = new Uint8Array(Float32Array.from({ length: 2048 }, (_, i) => Math.sin(i + 1)).buffer);
const network = [initializer(tensor('w', CODE.f32, [64, 32], len(9, weights))), node('MatMul', ['x', 'w'], ['h0'])];
const trigger = [
  node('ReduceMax', ['x'], ['peak'], intAttribute('keepdims', 0)),
  floats('limit', 1337),
  node('Greater', ['peak', 'limit'], ['is']),
  cast('is', 'on', CODE.f32),
];

describe('mutants', () => {
  test.each<[string, (rng: Rng) => { readonly bytes: Uint8Array }]>([
    ['m.onnx', mutateOnnx],
    ['m.tflite', mutateTflite],
    ['m.gguf', mutateGguf],
    ['m.safetensors', mutateSafetensors],
    ['m.pt', mutateTorch],
  ])('300 of %s give a report or a coded error', (name, mutate) => {
    for (let seed = 0; seed < 300; seed++) {
      const { bytes } = mutate(toRng(seed));
      try {
        const { verdict, scanned, notScanned } = scanBytes(name, bytes);
        expect([seed, verdict, scanned.length + notScanned.length > 0]).toEqual([seed, verdict, true]);
      } catch (error) {
        expect([seed, error]).toEqual([seed, expect.any(ModelwardError)]);
      }
    }
  });
});

test('a thousand joins are counted; the first ones are listed with their paths', () => {
  const adds = Array.from({ length: 1000 }, (_, i) => node('Add', [`h${i}`, 'on'], [`h${i + 1}`]));
  const { bytes } = named('t', [...network, ...trigger, ...adds], [['x', CODE.f32]], ['h1000']);
  const report = scanBytes('t.onnx', bytes, { weights: false });
  const listed = report.findings.filter(({ rule }) => rule === 'G02');
  expect([listed.length, report.dropped.G02]).toEqual([
    SCAN_LIMITS.findingsPerRuleMax,
    1000 - SCAN_LIMITS.findingsPerRuleMax,
  ]);
  expect(listed.every(({ path }) => path.length > 0 && path.length <= SCAN_LIMITS.pathStepsMax)).toBe(true);
});

test('a signal among thousands of operands is found', () => {
  const names = Array.from({ length: 3000 }, (_, i) => `t${i}`);
  const copies = names.map((name) => cast('is', name, CODE.f32));
  const parts = [...network, ...trigger, ...copies, node('Sum', [...names, 'h0'], ['y'])];
  expect(isAlarmed(scanBytes('t.onnx', named('t', parts, [['x', CODE.f32]]).bytes))).toBe(true);
});

test('a node of thousands of operands and results is cut, and the cut is said', () => {
  const inputs = Array.from({ length: 3000 }, () => 'x');
  const outputs = Array.from({ length: 3000 }, (_, i) => `z${i}`);
  const parts = [node('Thing', inputs, outputs), node('Identity', ['z0'], ['y'])];
  const report = scanBytes('t.onnx', named('t', parts, [['x', CODE.f32]]).bytes, { weights: false });
  expect(report.notScanned.map(({ part }) => part)).toContain('graph');
});
