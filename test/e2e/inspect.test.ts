/** A model looked into: what its graph costs, what flows through it, where the time goes, and its tensors as npy. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readNpyValue, toValues } from '../../src/fidelity/index.ts';
import { openModelPath } from '../../src/formats/index.ts';
import { openBufferSource } from '../../src/source/buffer.ts';
import type { ActivationReport, ExtractTensorResult, InspectReport, ProfileReport } from '../../src/workflows/index.ts';
import { toTflite } from '../formats/onnx-to-tflite.ts';
import { toQuantisedGguf } from '../formats/quantise-gguf.ts';
import { importable } from '../importable.ts';
import { createWorkplace, root, samples, type Workplace } from './command.ts';

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  for (const name of ['cnn.onnx', 'cnn.safetensors', 'eval.npz']) cpSync(join(samples, name), at(name));
});
afterAll(() => {
  place.remove();
});

const at = (name: string): string => join(place.folder, name);
const refusal = (...args: readonly string[]): { status: number | null; code: unknown } => {
  const { status, stdout } = place.run([...args, '--json', '--quiet']);
  return { status, code: (JSON.parse(stdout) as { error?: { code?: unknown } }).error?.code };
};

describe('inspect', () => {
  test('counts what every node of a graph costs, for one sample or as many as are asked for', () => {
    const { cost } = place.json<InspectReport>(['inspect', 'cnn.onnx']);
    // 36 places of 24 outputs, each 25 products; 9 of 48, 24 / 2 · 9 or 48 · 9; 9 of 208, 48; 10 of 208.
    const conv = [36 * 24 * 25, 9 * 48 * 216, 9 * 48 * 108, 9 * 48 * 432, 9 * 208 * 48, 208 * 10];
    expect(cost!.nodes.flatMap(({ macs }) => (macs === 0 ? [] : [macs]))).toEqual(conv);
    expect(cost).toMatchObject({ sizes: { N: 1 }, macs: conv.reduce((a, b) => a + b), unknownNodes: 0 });
    expect(cost!.nodes[0]).toMatchObject({
      name: 'Conv_0',
      inputs: ['f32[1, 1, 12, 12]', 'f32[24, 1, 5, 5]'],
      outputs: ['f32[1, 24, 6, 6]'],
      parameters: 600,
    });
    const many = place.json<InspectReport>(['inspect', 'cnn.onnx', '--dim', 'N=8']);
    expect(many.cost!.macs).toBe(8 * cost!.macs);
    expect(place.run(['inspect', 'cnn.onnx', '--nodes']).stdout).toMatch(
      /Conv_3 +Conv +f32\[1, 48, 3, 3\] +10,368 +93,312/,
    );
  });

  test('a format without a graph has no cost', () => {
    expect(place.json<InspectReport>(['inspect', 'cnn.safetensors']).cost).toBeNull();
  });
});

describe('inspect --activations', () => {
  test('gives statistics of values by name or expression, on data', () => {
    const args = ['inspect', 'cnn.onnx', '--eval', 'eval.npz', '--activations', '/^Relu_/', 'logits'];
    const { values, samples: count, inputs } = place.json<ActivationReport>(args);
    expect(count).toBe(512);
    expect(inputs).toMatch(/^npz data/);
    expect(values.map(({ name }) => name)).toEqual([...[2, 5, 8, 12, 15].map((i) => `Relu_${i}_output`), 'logits']);
    expect(values[0]).toMatchObject({ kind: 'observed', min: 0, elements: 512 * 24 * 36, nanShare: 0 });
    expect(values[5]).toMatchObject({ elements: 5120, zeroShare: 0 });
  });

  test('on seeded probes gives the same each time; --json and the table agree', () => {
    const args = ['inspect', 'cnn.onnx', '--activations', 'Relu_2_output'];
    const [first, second] = [place.json<ActivationReport>(args), place.json<ActivationReport>(args)];
    expect(second).toEqual(first);
    const { stdout } = place.run(args);
    expect(stdout).toMatch(/Relu_2_output +f32\[1, 24, 6, 6\] +0 /);
    expect(stdout).toContain(`${first.samples} samples of seeded probes`);
  });

  test('refuses values that no node makes, weights alone, and sealed models', () => {
    expect(refusal('inspect', 'cnn.onnx', '--activations', 'nothing')).toEqual({
      status: 2,
      code: 'INSPECT_VALUE_MISSING',
    });
    expect(refusal('inspect', 'cnn.safetensors', '--activations', 'x')).toEqual({
      status: 4,
      code: 'RUNTIME_NO_GRAPH',
    });
    place.json(['seal', 'cnn.onnx', '--out', 'sealed/cnn.seal']);
    expect(refusal('inspect', 'sealed/cnn.seal', '--profile')).toEqual({ status: 2, code: 'INSPECT_SEALED' });
    expect(place.run(['inspect', 'cnn.onnx', '--profile', '--extract', 'fc.bias']).status).toBe(2);
  });
});

const hasNode = await importable('onnxruntime-node');
describe('inspect --profile', () => {
  test.skipIf(!hasNode)(
    'times every node, as written or as the runtime fuses them, and leaves no file [needs onnxruntime-node]',
    () => {
      mkdirSync(at('tmp'));
      const before = process.env.TMPDIR;
      process.env.TMPDIR = at('tmp');
      try {
        const written = place.json<ProfileReport>(['inspect', 'cnn.onnx', '--profile', '--as-written']);
        const { graph } = place.json<InspectReport>(['inspect', 'cnn.onnx']);
        expect(written.runs).toBe(20);
        expect(written.nodes.map(({ name }) => name).sort()).toEqual(graph!.nodes.map(({ name }) => name).sort());
        expect(written.nodes.every(({ count }) => count === 20)).toBe(true);
        const fused = place.json<ProfileReport>(['inspect', 'cnn.onnx', '--profile', '--eval', 'eval.npz']);
        expect(fused.nodes.some(({ op }) => op === 'BatchNormalization')).toBe(false);
        expect(readdirSync(at('tmp'))).toEqual([]);
      } finally {
        if (before === undefined) delete process.env.TMPDIR;
        else process.env.TMPDIR = before;
      }
    },
  );
});

describe('inspect --extract', () => {
  const extract = (model: string, tensor: string, out: string): ExtractTensorResult =>
    place.json<ExtractTensorResult>(['inspect', model, '--extract', tensor, '--out', out]);
  const numbers = (file: string): Float64Array =>
    toValues(readNpyValue(openBufferSource(file, readFileSync(at(file))), 'f32'));

  test('a tensor of ONNX, safetensors, TFLite and a sealed model is the same array', () => {
    const model = openModelPath(at('cnn.onnx'));
    writeFileSync(at('cnn.tflite'), toTflite(model, { keepsNames: true }));
    const bytes = new Uint8Array(2080 * 4);
    model.tensors.find(({ name }) => name === 'fc.weight')!.read(0, bytes);
    model.close();
    place.json(['seal', 'cnn.onnx', '--out', 'sealed/again.seal']);
    for (const name of ['cnn.onnx', 'cnn.safetensors', 'cnn.tflite', 'sealed/again.seal']) {
      const out = `${name.replace('/', '-')}.npy`;
      expect(extract(name, 'fc.weight', out)).toMatchObject({ npyDtype: 'f32', shape: [10, 208], note: null });
      expect(readFileSync(at(out)).subarray(-bytes.length).equals(bytes)).toBe(true);
    }
    const again = refusal('inspect', 'cnn.onnx', '--extract', 'fc.weight', '--out', 'cnn.onnx.npy');
    expect(again).toEqual({ status: 2, code: 'WRITE_EXISTS' });
  });

  test('quantised blocks of GGUF are decoded, PyTorch tensors are read', () => {
    const model = openModelPath(join(samples, 'mlp.onnx'));
    writeFileSync(at('q8_0.gguf'), toQuantisedGguf(model, 'q8_0'));
    const weight = model.tensors.find(({ name }) => name === 'fc2.weight')!;
    const original = new Uint8Array(weight.byteLength);
    weight.read(0, original);
    model.close();
    expect(extract('q8_0.gguf', 'fc2.weight', 'q8.npy')).toMatchObject({ note: 'q8_0 blocks decoded to f32' });
    const [decoded, exact] = [numbers('q8.npy'), new Float32Array(original.buffer)];
    expect(decoded).toHaveLength(exact.length);
    expect(Math.max(...decoded.map((value, i) => Math.abs(value - exact[i])))).toBeLessThan(0.02);
    cpSync(join(root, 'test/fixtures/pytorch/2.9/checkpoint.pt'), at('checkpoint.pt'));
    const report = place.json<InspectReport>(['inspect', 'checkpoint.pt']);
    const { name, shape } = report.tensors.find(({ dtype }) => dtype === 'f32')!;
    expect(extract('checkpoint.pt', name, 'torch.npy')).toMatchObject({ dtype: 'f32', shape });
  });

  test('another name is refused; without --out, no name of a tensor leaves the folder', () => {
    expect(refusal('inspect', 'cnn.onnx', '--extract', '../x')).toEqual({ status: 2, code: 'INSPECT_TENSOR_MISSING' });
    place.json(['graph', 'rename-value', 'cnn.onnx', 'fc.bias', '../../up', '--out', 'odd.onnx']);
    const { path } = place.json<ExtractTensorResult>(['inspect', 'odd.onnx', '--extract', '../../up']);
    expect(path.startsWith(place.folder)).toBe(true);
    expect(path.slice(place.folder.length + 1)).not.toContain('/');
  });
});
