/** Rows are written with what was kept of others: never with anything but their own texts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LogRow } from '../ports.ts';
import { encodeRow, findRow, ROW_BYTES_MAX } from './row.ts';
import { type RowEnd, RowEnds } from './row-ends.ts';

const ROW: LogRow = {
  ...{ timeMs: 1, requestId: 'r', principalId: 'key:a', tenant: 't', model: 'm', version: '1', protocol: 'oip' },
  ...{ status: 200, code: null, isInputKeyed: false, items: 1, inputBytes: 1, answerBytes: 1, durationUs: 1 },
  ...{ inputHash: new Uint8Array(32), tensorHash: null, answerHash: null },
};

test('rows of callers, tenants, models and outcomes by turns are each as they were given', () => {
  const few = fc.constantFrom('', 'a', 'b', 'ü', 'x'.repeat(600));
  const row = fc.record({
    ...{ requestId: few, principalId: few, tenant: few, model: few, version: few },
    protocol: fc.constantFrom<LogRow['protocol']>('oip', 'openai'),
    code: fc.constantFrom(null, 'GATEWAY_MODEL_FAILED', 'GATEWAY_STREAM_CUT'),
  });
  const into = Buffer.alloc(ROW_BYTES_MAX);
  fc.assert(
    fc.property(fc.array(row, { maxLength: 12 }), (rows) => {
      for (const texts of rows) {
        const one = { ...ROW, ...texts };
        expect(findRow(into.subarray(0, encodeRow(one, into)))).toEqual(one);
      }
    }),
    { numRuns: 300 },
  );
});

test('one that has no room is refused, whether its end is known or not', () => {
  const into = Buffer.alloc(ROW_BYTES_MAX);
  const end = encodeRow({ ...ROW, model: 'once before' }, into);
  for (const row of [
    { ...ROW, model: 'once before' },
    { ...ROW, model: 'never before' },
  ]) {
    expect(() => encodeRow(row, into.subarray(0, end - 1))).toThrow(
      expect.objectContaining({ code: 'GATEWAY_LOG_FAILED' }),
    );
  }
});

test('what is kept is a copy, bounded in number and in bytes', () => {
  const ends = new RowEnds();
  const of = (principalId: string): RowEnd => ({ ...ROW, principalId });
  const bytes = Uint8Array.of(1, 2, 3);
  ends.keep(of('a'), bytes);
  bytes.fill(0);
  expect(ends.find(of('a'))).toEqual(Uint8Array.of(1, 2, 3));
  ends.keep(of('long'), new Uint8Array(513));
  expect(ends.find(of('long'))).toBeNull();
  for (let n = 0; n < 5000; n++) ends.keep(of(String(n)), bytes);
  expect(ends.find(of('4999'))).toEqual(bytes);
  expect(ends.size).toBeLessThanOrEqual(1024);
});
