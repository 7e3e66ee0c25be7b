/** A process that appends to a ledger until it is killed; prints size and checkpoint of every acknowledged batch. */
import { writeSync } from 'node:fs';
import { createLedgerLock } from '../../src/adapters/ledger-lock/index.ts';
import { systemClock, systemRandom } from '../../src/adapters/system/index.ts';
import { openLedger } from '../../src/ledger/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import { testEntries, testSigner } from '../fakes/ledger-kit.ts';

const [, , folder, batchMax] = process.argv;
const ledger = await openLedger({
  storage: nodeStorage,
  folder,
  signer: testSigner(),
  clock: systemClock,
  random: systemRandom,
  lock: createLedgerLock(),
});
for (let { size } = ledger.reader().head; ; ) {
  const count = 1 + (size % Number(batchMax));
  const entries = testEntries(count, size).map((entry, i) => (i === 0 ? { ...entry, sensitive: { size } } : entry));
  const { checkpoint } = ledger.append(entries);
  size += count;
  writeSync(1, `${JSON.stringify({ size, checkpoint })}\n`);
}
