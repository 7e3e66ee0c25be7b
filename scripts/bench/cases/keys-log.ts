/**
 * Uses a key of a fake of Vault behind the log of key uses: wraps, unwraps, unwraps that are refused, rewraps, rotates. Prints how
 * often the service was asked and how many entries there are, and whether a key comes when the ledger cannot be written.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKeyProvider } from '../../../src/adapters/kms/index.ts';
import { systemRandom } from '../../../src/adapters/system/index.ts';
import type { EntryInput, LedgerWriter } from '../../../src/ledger/ports.ts';
import { parseKeyUri } from '../../../src/seal/index.ts';
import { withKeyLog } from '../../../src/workflows/logged-key.ts';
import { serveFakeVault } from '../../../test/fakes/key-services/vault.ts';
import { fakePorts } from '../../../test/fakes/provider-ports.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-keys-log-'));
const fake = await serveFakeVault();
const tokenPath = join(work, 'token');
writeFileSync(tokenPath, fake.token, { mode: 0o600 });
const uri = parseKeyUri(`vault:eng/transit/${fake.addKey()}?addr=${fake.url}&token-file=${tokenPath}`);
const { provider, keyRef } = await openKeyProvider({ uri, ports: fakePorts(work), create: false });

const entries: EntryInput[] = [];
let isBroken = false;
const ledger: LedgerWriter = {
  append: (added) => {
    if (isBroken) return Promise.reject(new Error('internal error: the disk of the case is full'));
    entries.push(...added);
    return Promise.resolve({ firstIndex: entries.length - added.length, checkpoint: '' });
  },
  refuse: () => Promise.resolve(),
};
const logged = withKeyLog({ provider, keyRef, ledger, actor: 'bench', random: systemRandom });
const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = new Uint8Array(32).fill(9);

let [refused, withoutEntry] = [0, 0];
for (let round = 0; round < 10; round++) {
  const wrapped = await logged.wrapKey({ dek, context });
  await logged.unwrapKey({ wrapped, context });
  await logged.unwrapKey({ wrapped, context: { ...context, model: 'other' } }).catch(() => refused++);
  await logged.rewrapKey?.({ wrapped, context });
  await logged.rotate?.();
  isBroken = true;
  await logged.unwrapKey({ wrapped, context }).then(
    () => withoutEntry++,
    () => undefined,
  );
  isBroken = false;
}
const uses = ['encrypt', 'decrypt', 'rewrap', 'rotate'];
const asked = fake.operations.filter((name) => uses.includes(name)).length;
const count = (type: string): number => entries.filter((entry) => entry.type === type).length;
await provider.close?.();
await fake.close();
rmSync(work, { recursive: true });
console.log(
  JSON.stringify({
    asked,
    intents: count('key-use-intent'),
    outcomes: count('key-use-outcome'),
    refused,
    withoutEntry,
  }),
);
