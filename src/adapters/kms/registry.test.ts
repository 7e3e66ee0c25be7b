import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fixedClock, seededRandom } from '../../../test/fakes/seal-kit.ts';
import type { KeyUri } from '../../seal/ports.ts';
import { openKeyProvider, openProviderFiles, type ProviderPorts } from './index.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-registry-'));

afterAll(() => {
  rmSync(work, { recursive: true });
});

const ports: ProviderPorts = {
  clock: fixedClock(),
  random: seededRandom(1),
  pause: () => Promise.resolve(),
  files: openProviderFiles(work),
  env: {},
  askPassphrase: () => Promise.resolve(new Uint8Array(8).fill(0x61)),
  openTpm: () => Promise.reject(new TypeError('no TPM is asked')),
};

describe('the registry of key providers', () => {
  test('a scheme opens its provider; the key is made only when that is asked for', async () => {
    const uri: KeyUri = { scheme: 'local', path: join(work, 'key.json') };
    const missing = openKeyProvider({ uri, ports, create: false });
    await expect(missing).rejects.toMatchObject({ code: 'KEY_STORE_MISSING' });
    const { provider, keyRef, standing } = await openKeyProvider({ uri, ports, create: true });
    expect(await provider.describe()).toMatchObject({ type: 'local', keyRef, standing, currentVersion: '1' });
    const again = await openKeyProvider({ uri, ports, create: true });
    expect(again.keyRef).toBe(keyRef);
  });
});
