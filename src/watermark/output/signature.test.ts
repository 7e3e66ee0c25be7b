/** A free signature output: the same whatever the input. */
import { describe, expect, test } from 'vitest';
import { add, digits, mlp, payload, run } from '../../../test/output-marks.ts';
import { readOutputMark, toOutputMark } from './index.ts';

describe('a free signature output', () => {
  const mark = toOutputMark({ kind: 'signature', params: { output: 'signature' }, payload });

  test('says the same whatever the input; the other outputs do not change', async () => {
    const before = await run(mlp, digits);
    const recording = await run(add(mlp, mark), digits);
    expect(readOutputMark(recording, mark, 1)).toEqual({ kind: 'signature', isFound: true, payload });
    expect(recording.get('logits')).toEqual(before.get('logits'));
    const damaged = { ...recording.get('signature')!, data: recording.get('signature')!.data.slice() };
    damaged.data[6] ^= 1;
    expect(readOutputMark(new Map([['signature', damaged]]), mark, 1)).toEqual({ kind: 'signature', isFound: false });
  });
});
