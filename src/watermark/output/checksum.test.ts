/** Checksums of predictions: as recorded, changed, cut off and mixed up. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { add, digits, key, mlp, payload, run } from '../../../test/output-marks.ts';
import { readOutputMark, toOutputMark } from './index.ts';

describe('a checksum of predictions', () => {
  const asOutput = toOutputMark({
    kind: 'checksum',
    params: { output: 'logits', into: 'logits_checksum', step: 1e-4 },
  });
  const asColumn = toOutputMark({ kind: 'checksum', params: { output: 'logits', into: null, step: 1e-4 } });

  test.each([
    asOutput,
    asColumn,
  ])('agrees as recorded ($params.into), and names the rows that were changed', async (mark) => {
    const recording = await run(add(mlp, mark), digits);
    expect(recording.get('logits')!.shape).toEqual([200, mark === asColumn ? 11 : 10]);
    expect(readOutputMark(recording, mark, 1)).toEqual({ kind: 'checksum', rows: 200, wrong: [] });
    const { shape, data, dtype } = recording.get('logits')!;
    const values = new Float32Array(data.slice().buffer);
    const width = shape[1];
    values[3 * width + 2] += 0.001;
    // Two classes change places.
    [values[9 * width], values[9 * width + 1]] = [values[9 * width + 1], values[9 * width]];
    values[11 * width] = Number.NaN;
    const changed = new Map([...recording, ['logits', { dtype, shape, data: new Uint8Array(values.buffer) }]] as const);
    expect(readOutputMark(changed, mark, 1)).toEqual({ kind: 'checksum', rows: 200, wrong: [3, 9, 11] });
  });

  test('rows that were cut off or mixed up do not agree', async () => {
    const recording = await run(add(mlp, asOutput), digits);
    const { dtype, data } = recording.get('logits')!;
    const cut = new Map([...recording, ['logits', { dtype, shape: [199, 10], data: data.slice(40) }]] as const);
    expect(codeOf(() => readOutputMark(cut, asOutput, 1))).toBe('WATERMARK_RECORDING_MALFORMED');
    const turned = new Uint8Array([...data.slice(40), ...data.slice(0, 40)]);
    const mixed = new Map([...recording, ['logits', { dtype, shape: [200, 10], data: turned }]] as const);
    const read = readOutputMark(mixed, asOutput, 1);
    expect(read.kind === 'checksum' ? read.wrong.length : 0).toBe(200);
  });

  const scores = toOutputMark({ kind: 'scores', params: { output: 'logits', step: 1e-3 }, payload, key });

  test('comes last: other marks of its output are refused behind it', () => {
    for (const mark of [asOutput, asColumn]) {
      expect(codeOf(() => add(add(mlp, mark), scores))).toBe('WATERMARK_OUTPUT_ORDER');
    }
  });
});
