/** A key broker and an attested guest of it in one process: keys are released, compared, wiped; then it waits to be looked into. */
import { createHash } from 'node:crypto';
import { fetchKey } from '../../src/broker/index.ts';
import { zeroize } from '../../src/core/bytes.ts';
import { makeBroker, RESOURCE, toSnpEvidence } from '../broker/kit.ts';

/** Known to whoever looks. */
const toDek = (): Uint8Array => new Uint8Array(createHash('sha256').update('a key that a broker holds').digest());

const broker = makeBroker({ takeKey: () => Promise.resolve(toDek()) });
const link = {
  send: ({ method, path, headers, body }: Parameters<Parameters<typeof fetchKey>[0]['link']['send']>[0]) =>
    broker.handler({ method, path, query: '', headers, body, remoteAddress: '192.0.2.1' }),
};
for (let round = 0; round < 5; round++) {
  const released = await fetchKey({ link, evidence: { tee: 'snp', collect: toSnpEvidence }, resource: RESOURCE });
  const expected = toDek();
  if (Buffer.compare(released, expected) !== 0) throw new Error('internal error: another key came back');
  zeroize(released, expected);
}
globalThis.gc?.();
process.stdout.write('ready\n');
process.stdin.resume();
