/**
 * A process that uses each key that it is told in every way that the key knows, wipes what it got, and waits to be looked
 * into; on a line of input it writes a snapshot of its heap to the path in that line.
 */
import { createHash, getRandomValues } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeHeapSnapshot } from 'node:v8';
import { openKeyProvider, openProviderFiles } from '../src/adapters/kms/index.ts';
import { openTpm } from '../src/adapters/tpm/index.ts';
import { zeroize } from '../src/core/bytes.ts';
import { type KeyProvider, parseKeyUri, type WrappedKey } from '../src/seal/index.ts';

const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const [passphrasePath, ...uris] = process.argv.slice(2);
const files = openProviderFiles('/');
const ports = {
  clock: { nowMs: Date.now },
  random: { fill: (into: Uint8Array) => void getRandomValues(into) },
  pause: (ms: number) => sleep(ms),
  files,
  env: process.env,
  askPassphrase: () => Promise.resolve(files.findSecret(passphrasePath) ?? new Uint8Array()),
  openTpm,
};

/** Unwraps, and wipes what comes. */
async function open(provider: KeyProvider, wrapped: WrappedKey, dek: Uint8Array): Promise<void> {
  const opened = await provider.unwrapKey({ wrapped, context });
  if (opened === null || Buffer.compare(opened, dek) !== 0) throw new Error('internal error: another key came back');
  zeroize(opened);
}

for (const uri of uris) {
  const { provider } = await openKeyProvider({ uri: parseKeyUri(uri), ports, create: true });
  // Known to whoever looks: the digest of the URI.
  const dek = createHash('sha256').update(uri).digest();
  const wrapped = await provider.wrapKey({ dek, context });
  await open(provider, wrapped, dek);
  const newest = (await provider.rotate?.()) ?? null;
  const moved = (await provider.rewrapKey?.({ wrapped, context })) ?? (await provider.wrapKey({ dek, context }));
  await open(provider, moved, dek);
  if (newest !== null && !uri.startsWith('aws-kms:')) await provider.disableVersion?.(wrapped.keyVersion);
  await provider.describe();
  zeroize(dek);
  await provider.close?.();
}
globalThis.gc?.();
process.stdout.write('ready\n');
createInterface({ input: process.stdin }).on('line', (path) => {
  writeHeapSnapshot(path);
  process.stdout.write('written\n');
});
