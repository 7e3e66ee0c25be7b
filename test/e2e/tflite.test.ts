/** Every verb on a TFLite model, through the real command. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelPath } from '../../src/formats/index.ts';
import type { EmbedResult, ProtectResult } from '../../src/workflows/index.ts';
import { toTflite } from '../formats/onnx-to-tflite.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  const model = openModelPath(join(samples, 'cnn.onnx'));
  writeFileSync(join(place.folder, 'cnn.tflite'), toTflite(model));
  writeFileSync(join(place.folder, 'cnn-int8.tflite'), toTflite(model, { weights: 'i8' }));
  model.close();
});
afterAll(() => {
  place.remove();
});

describe('a TFLite model', () => {
  test('is inspected: operators, types, shapes, scales', () => {
    const report = place.json<{ graph: { operators: unknown[] } }>(['inspect', 'cnn.tflite']);
    expect(report).toMatchObject({ format: 'tflite', parameters: 49_374, opsets: { tflite: 3 } });
    expect(report.graph.operators).toContainEqual({ op: 'CONV_2D', count: 5 });
    const { tensors } = place.json<{ tensors: { dtype: string }[] }>(['inspect', 'cnn-int8.tflite']);
    const kernel = tensors.find(({ dtype }) => dtype === 'i8');
    expect(kernel).toMatchObject({ shape: [24, 5, 5, 1], quantization: { axis: 0, scales: 24 } });
  });

  test('is protected once --unmeasured says that nothing here runs it; the copy is claimed', () => {
    const refused = place.run(['protect', 'cnn.tflite', '--out', 'p']);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toContain('RUNTIME_FORMAT');
    const result = place.json<ProtectResult>(['protect', 'cnn.tflite', '--out', 'p', '--unmeasured']);
    expect(result.fidelity).toBeNull();
    expect(result.fidelityReason).toBe('No runtime here runs this format.');
    expect(result.warnings.join(' ')).toContain('chosen by the number of weights alone: tau 0.125 for');
    expect(place.json(['detect', 'p/cnn.marked.tflite'])).toMatchObject({ verdict: 'claim' });
    expect(place.json(['verify', 'p/cnn.marked.tflite'])).toMatchObject({ verdict: 'unchanged' });
    place.json(['open', 'p/cnn.seal', '--out', 'opened']);
    expect(sha256(join(place.folder, 'opened/cnn.marked.tflite'))).toBe(result.marked?.sha256);
  });

  test('with int8 weights per axis is marked, and read with the original beside it', () => {
    const { evidenceBits } = place.json<EmbedResult>(['embed', 'cnn-int8.tflite', '--out', 'e', '--unmeasured']);
    expect(evidenceBits).toBeGreaterThan(128);
    const args = ['detect', 'e/cnn-int8.marked.tflite', '--original', 'cnn-int8.tflite'];
    expect(place.json(args)).toMatchObject({ verdict: 'claim' });
  });

  test('that changed is told apart, down to the tensor', () => {
    place.json(['baseline', 'cnn.tflite', '--out', 'b.json']);
    const bytes = readFileSync(join(place.folder, 'cnn.tflite'));
    const model = openModelPath(join(place.folder, 'cnn.tflite'));
    const tensor = model.tensors.find(({ shape }) => shape.length === 4)!;
    bytes[tensor.start + 5] ^= 1;
    model.close();
    writeFileSync(join(place.folder, 'changed.tflite'), bytes);
    const run = place.run(['verify', 'changed.tflite', '--baseline', 'b.json', '--json']);
    expect(run.status).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ verdict: 'changed', changes: [{ tensor: tensor.name }] });
  });

  test('takes a label, and gives it back', () => {
    place.json(['label', 'write', 'cnn.tflite', '--text', 'acme', '--out', 'l.tflite']);
    expect(place.json(['label', 'read', 'l.tflite'])).toMatchObject({ label: 'acme' });
  });

  test('that is damaged ends in 3, with the code', () => {
    writeFileSync(join(place.folder, 'cut.tflite'), readFileSync(join(place.folder, 'cnn.tflite')).subarray(0, 5000));
    const run = place.run(['inspect', 'cut.tflite']);
    expect(run.status).toBe(3);
    expect(run.stderr).toContain('TFLITE_');
  });
});
