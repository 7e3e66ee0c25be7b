/** A mark holds its key, and errors are printed: what they carry is chosen field by field. */
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { WatermarkError } from '../../core/errors.ts';
import { openModelPath } from '../../formats/index.ts';
import { toTextPayload } from '../payload.ts';
import { editOutputMarkRemoval, toOutputMark } from './index.ts';

const samples = resolve(import.meta.dirname, '../../../samples');

test('the error of a mark that is not there names it, and carries neither key nor payload', () => {
  const params = { output: 'logits', step: 1e-3 };
  const payload = toTextPayload('text', 'canary');
  const mark = toOutputMark({ kind: 'scores', params, payload, key: new Uint8Array(32).fill(0xc5) });
  const model = openModelPath(join(samples, 'mlp.onnx'));
  try {
    editOutputMarkRemoval(model, mark);
    expect.unreachable();
  } catch (error) {
    if (!(error instanceof WatermarkError)) throw error;
    expect(error.code).toBe('WATERMARK_OUTPUT_ABSENT');
    expect(error.fields).toEqual({ kind: 'scores', id: mark.id });
  } finally {
    model.close();
  }
});
