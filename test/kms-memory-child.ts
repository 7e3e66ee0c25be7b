/** A process that wraps and unwraps under the keys that it is told, wipes what it got, and waits to be looked into. */
import { createHash, getRandomValues } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { openKeyProvider, openProviderFiles } from '../src/adapters/kms/index.ts';
import { openTpm } from '../src/adapters/tpm/index.ts';
import { zeroize } from '../src/core/bytes.ts';
import { parseKeyUri } from '../src/seal/index.ts';

const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const [passphrasePath, ...uris] = process.argv.slice(2);
const files = openProviderFiles('/');
const ports = {
  clock: { nowMs: Date.now },
  random: { fill: (into: Uint8Array) => void getRandomValues(into) },
  pause: (ms: number) => sleep(ms),
  files,
  env: {},
  askPassphrase: () => Promise.resolve(files.findSecret(passphrasePath) ?? new Uint8Array()),
  openTpm,
};

for (const uri of uris) {
  const { provider } = await openKeyProvider({ uri: parseKeyUri(uri), ports, create: true });
  // Known to whoever looks: the digest of the URI.
  const dek = createHash('sha256').update(uri).digest();
  const wrapped = await provider.wrapKey({ dek, context });
  const opened = await provider.unwrapKey({ wrapped, context });
  if (opened === null || Buffer.compare(opened, dek) !== 0) throw new Error('internal error: another key came back');
  zeroize(dek, opened);
  await provider.close?.();
}
globalThis.gc?.();
process.stdout.write('ready\n');
process.stdin.resume();
