/** Appends batches of entries to a new ledger in FOLDER, every batch durable and signed; prints entries a second. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLedgerLock } from '../../../dist/adapters/ledger-lock/index.js';
import { systemClock, systemRandom } from '../../../dist/adapters/system/index.js';
import { createEd25519Signer, openLedger } from '../../../dist/ledger/index.js';
import { nodeStorage } from '../../../dist/source/node-storage.js';

const [, , parent, batches, batchEntries] = process.argv;
const folder = join(parent, 'ledger');
rmSync(folder, { recursive: true, force: true });
const seed = new Uint8Array(32);
systemRandom.fill(seed);
const ledger = await openLedger({
  storage: nodeStorage,
  folder,
  signer: createEd25519Signer({ name: 'bench.test/ledger', seed }),
  clock: systemClock,
  random: systemRandom,
  lock: createLedgerLock(),
});
const total = Number(batches) * Number(batchEntries);
const startMs = performance.now();
for (let batch = 0; batch < Number(batches); batch += 1) {
  const entries = Array.from({ length: Number(batchEntries) }, (_, i) => ({
    type: 'key-use-intent',
    actor: 'bench',
    subject: `seal-${batch}-${i}`,
    digests: {},
    detail: { useId: '0123456789abcdef0123456789abcdef', operation: 'unwrap', keyRef: 'local:bench' },
  }));
  ledger.append(entries);
}
const seconds = (performance.now() - startMs) / 1000;
const bytes = ledger.reader().readBytes(total - 1).length;
ledger.close();
console.log(JSON.stringify({ entriesPerSecond: total / seconds, batchMs: (1000 * seconds) / Number(batches), bytes }));
