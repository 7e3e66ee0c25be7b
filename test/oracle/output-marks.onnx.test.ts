/** The onnx package judges every graph that a label or an output mark makes. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  editOutputMark,
  GRAPH_LABEL_KINDS,
  type OutputMarkSpec,
  planGraphLabel,
  toOutputMark,
  toTextPayload,
} from '../../src/watermark/index.ts';
import { imageModel } from '../fakes/image-model.ts';
import { openBytes, runPlan } from '../formats/models.ts';
import { describeWithProgram } from '../shared-data.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const SCRIPT = join(import.meta.dirname, 'onnx_check.py');
const folder = mkdtempSync(join(tmpdir(), 'modelward-marks-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function check(models: readonly Uint8Array[]): unknown {
  const paths = models.map((bytes, i) => {
    const path = join(folder, `${i}.onnx`);
    writeFileSync(path, bytes);
    return path;
  });
  return JSON.parse(execFileSync(PYTHON, [SCRIPT], { input: paths.join('\n') }).toString());
}

describeWithProgram('the onnx package on marked models', PYTHON, ['-c', 'import onnx'], () => {
  const payload = toTextPayload('text', 'Acme');

  test('accepts a label of every kind', () => {
    const model = openBytes(readFileSync(join(import.meta.dirname, '../../samples/cnn.onnx')), 'm.onnx');
    const labelled = GRAPH_LABEL_KINDS.map((kind) => runPlan(planGraphLabel({ model, kind, payload })));
    expect(check(labelled)).toEqual(labelled.map(() => null));
  });

  test('accepts an output mark of every kind', () => {
    const key = new Uint8Array(32).fill(3);
    const image = { output: 'y', dtype: 'f32', layout: 'nchw', channels: 3, height: 64, width: 64 } as const;
    const boxes = {
      boxes: 'y',
      scores: null,
      format: 'xyxy',
      width: 1,
      height: 1,
      rowAxis: 2,
      valueAxis: 3,
      score: 0.1,
    } as const;
    const specs: readonly OutputMarkSpec[] = [
      { kind: 'boxes', params: boxes, payload, key },
      { kind: 'scores', params: { output: 'y', step: 1e-3 }, payload, key },
      { kind: 'image', params: { ...image, position: 'center', opacity: 0.5, size: 1, range: 1 }, payload },
      { kind: 'hidden', params: { ...image, amplitude: 0.01, cell: 4 }, payload, key },
      { kind: 'signature', params: { output: 'said' }, payload },
      { kind: 'checksum', params: { output: 'y', into: 'sum', step: 1e-3 } },
    ];
    for (const dtype of ['f32', 'u8'] as const) {
      const model = openBytes(imageModel({ ...image, dtype }), 'm.onnx');
      const fitting = specs.filter(({ kind }) => dtype === 'f32' || ['image', 'hidden', 'signature'].includes(kind));
      const marked = fitting.map((spec) => {
        const typed =
          spec.kind === 'image' || spec.kind === 'hidden' ? { ...spec, params: { ...spec.params, dtype } } : spec;
        return runPlan(editOutputMark(model, toOutputMark(typed as OutputMarkSpec)).toRewrite());
      });
      expect(check(marked)).toEqual(marked.map(() => null));
    }
  });
});
