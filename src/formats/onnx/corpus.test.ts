import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { readTarGz } from '../../../test/tar.ts';
import { openBytes, runPlan } from '../../../test/formats/models.ts';

const REAL = [
  'mnist.onnx',
  'qdq_conv.onnx',
  'residual_block.onnx',
  'silero_vad_half.onnx',
  'silero_vad_op18_ifless.onnx',
  'superres_prepost_op18.onnx',
  'ultraface_rfb320.onnx',
];

describeWithShared('published ONNX models', () => {
  test('all 1,827 models of the onnx backend suite open, and a plan without edits is byte-exact', () => {
    let count = 0;
    const different: string[] = [];
    for (const { path, bytes } of readTarGz(sharedData('onnx-backend-v1.21.0.tar.gz'))) {
      if (!path.endsWith('.onnx')) continue;
      count++;
      try {
        const model = openBytes(bytes, 'model.onnx');
        if (Buffer.compare(runPlan(model.plan([])), bytes) !== 0) different.push(path);
      } catch (error) {
        different.push(`${path}: ${String(error)} ${JSON.stringify((error as { fields?: unknown }).fields)}`);
      }
    }
    expect(different).toEqual([]);
    expect(count).toBe(1827);
  });

  test.each(REAL)('%s opens, and a plan without edits is byte-exact', (name) => {
    const bytes = new Uint8Array(readFileSync(sharedData('models', name)));
    const model = openBytes(bytes, name);
    expect(Buffer.compare(runPlan(model.plan([])), bytes)).toBe(0);
    expect(model.graph?.nodes.length).toBeGreaterThan(0);
  });
});
