/** Many who ask for nothing: their refusals are counted together, and those who are answered do not stand behind each of them. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Refusal } from '../../src/ledger/ports.ts';
import { createLicenseHandler } from '../../src/workflows/license/index.ts';
import { type Kit, makeKit } from './kit.ts';

let kit: Kit;
beforeEach(() => {
  kit = makeKit();
});
afterEach(() => {
  kit.remove();
});

function makeServer(refuse: (...refusals: readonly Refusal[]) => Promise<void>) {
  const troubles: string[] = [];
  const { recorder } = kit.answering;
  const handler = createLicenseHandler({
    ...{ ...kit.answering, statusUri: null, makers: null, onTrouble: (code) => void troubles.push(code) },
    recorder: { ...recorder, writer: { ...recorder.writer, refuse } },
  });
  const body = new Uint8Array(Buffer.from('nonsense'));
  const path = '/v1/check';
  const ask = () => handler({ method: 'POST', path, query: '', headers: {}, body, remoteAddress: '198.51.100.7' });
  return { ask, troubles };
}

test('refusals of one moment open the ledger once, and each is counted before its answer', async () => {
  const rounds: number[] = [];
  let counted = 0;
  const { ask } = makeServer((...refusals) => {
    rounds.push(refusals.length);
    counted += refusals.length;
    return Promise.resolve();
  });
  const answered = Array.from({ length: 200 }, async () => {
    await turn();
    return [(await ask()).status, counted > 0];
  });
  expect(new Set((await Promise.all(answered)).map(String))).toEqual(new Set(['422,true']));
  expect(counted).toBe(200);
  expect(rounds.length).toBeLessThanOrEqual(2);
});

test('a refusal that cannot be counted is the trouble of the server, for all of its round', async () => {
  const { ask, troubles } = makeServer(() => Promise.reject(new TypeError('the ledger is gone')));
  const answers = await Promise.all([ask(), ask(), ask()]);
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
  expect(troubles).toEqual(['UNKNOWN', 'UNKNOWN', 'UNKNOWN']);
});
