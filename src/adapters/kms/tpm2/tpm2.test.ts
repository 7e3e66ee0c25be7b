import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import { seededBytes, seededRandom } from '../../../../test/fakes/seal-kit.ts';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { describeWhere } from '../../../../test/shared-data.ts';
import { hasSwtpm, removeTestTpm, startTestTpm, SWTPM_NEEDED, type TestTpm } from '../../../../test/swtpm.ts';
import { toHex } from '../../../core/bytes.ts';
import { parseKeyUri, type Tpm2Uri } from '../../../seal/index.ts';
import { openTpm } from '../../tpm/index.ts';
import type { OpenedProvider, ProviderPorts } from '../provider.ts';
import { openProvider } from './open.ts';

const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(42, 32);

describeWhere(hasSwtpm, 'TPM key on swtpm', SWTPM_NEEDED, () => {
  let tpm: TestTpm;
  let made = 0;
  beforeAll(async () => {
    tpm = await startTestTpm();
    tpm.tool('tpm2_pcrextend', `7:sha256=${'07'.repeat(32)}`, `0:sha256=${'01'.repeat(32)}`);
  });
  afterAll(async () => {
    await tpm.stop();
    removeTestTpm(tpm);
  });

  function toUri(query = '', name = `key-${++made}.json`): Tpm2Uri {
    const path = join(tpm.folder, name);
    return parseKeyUri(`tpm2:${path}?device=${tpm.address}${query}`) as Tpm2Uri;
  }

  function open(uri: Tpm2Uri, create: boolean, more: Partial<ProviderPorts> = {}): Promise<OpenedProvider> {
    const ports = fakePorts(tpm.folder, { random: seededRandom(made), openTpm, ...more });
    return openProvider({ uri, ports, create });
  }

  runKeyProviderContract({
    name: 'tpm2 (swtpm)',
    abilities: ['rotate', 'disable', 'outage', 'return'],
    // The file is enough to end one.
    endsInService: false,
    make: async () => {
      let address: string | null = tpm.address;
      const { provider } = await open(toUri(), true, { openTpm: () => openTpm(address) });
      const begin = (): void => {
        address = '/dev/null/no-tpm-here';
      };
      const end = (): void => {
        ({ address } = tpm);
      };
      return { provider, breakService: begin, outage: { begin, end } };
    },
  });

  test('an extended PCR closes the key, old and new use alike; the other PCRs do not matter', async () => {
    const { provider } = await open(toUri('&pcrs=0,7'), true);
    const loose = await open(toUri('&pcrs=none'), true);
    const wrapped = await provider.wrapKey({ dek, context });
    const free = await loose.provider.wrapKey({ dek, context });
    tpm.tool('tpm2_pcrextend', `16:sha256=${'10'.repeat(32)}`);
    expect(toHex((await provider.unwrapKey({ wrapped, context })) ?? new Uint8Array())).toBe(toHex(dek));
    tpm.tool('tpm2_pcrextend', `0:sha256=${'99'.repeat(32)}`);
    const refused = { code: 'KEY_REFUSED', message: expect.stringContaining('started otherwise') as string };
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject(refused);
    await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject(refused);
    expect(toHex((await loose.provider.unwrapKey({ wrapped: free, context })) ?? new Uint8Array())).toBe(toHex(dek));
    // A new version hangs on what the machine is now; the old one stays closed.
    await provider.rotate?.();
    const after = await provider.wrapKey({ dek, context });
    expect(toHex((await provider.unwrapKey({ wrapped: after, context })) ?? new Uint8Array())).toBe(toHex(dek));
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject(refused);
  });

  test('the file opens on no other TPM, and that one is named as such', async () => {
    const uri = toUri();
    const { provider } = await open(uri, true);
    const wrapped = await provider.wrapKey({ dek, context });
    const other = await startTestTpm();
    try {
      other.tool('tpm2_pcrextend', `7:sha256=${'07'.repeat(32)}`);
      const moved = await open({ ...uri, device: other.address }, false);
      const refused = { code: 'KEY_REFUSED', message: expect.stringContaining('not the TPM') as string };
      await expect(moved.provider.unwrapKey({ wrapped, context })).rejects.toMatchObject(refused);
    } finally {
      await other.stop();
      removeTestTpm(other);
    }
  });

  test('PCRs that nothing was measured into are refused for a new key, and then no file is made', async () => {
    for (const pcrs of ['1', '0,7,23', '17']) {
      const uri = toUri(`&pcrs=${pcrs}`);
      await expect(open(uri, true)).rejects.toMatchObject({ code: 'KEY_SERVICE_UNFIT' });
      expect(() => statSync(uri.path)).toThrow();
    }
  });

  test('uses at once take turns', async () => {
    const { provider } = await open(toUri(), true);
    const keys = await Promise.all(Array.from({ length: 6 }, () => provider.wrapKey({ dek, context })));
    const opened = await Promise.all(keys.map((wrapped) => provider.unwrapKey({ wrapped, context })));
    expect(new Set(opened.map((each) => toHex(each ?? new Uint8Array())))).toEqual(new Set([toHex(dek)]));
  });

  test('the file is 0600, holds no key, is never overwritten; an altered one is refused', async () => {
    const uri = toUri();
    const { provider } = await open(uri, true);
    const wrapped = await provider.wrapKey({ dek, context });
    expect(statSync(uri.path).mode & 0o777).toBe(0o600);
    const text = readFileSync(uri.path, 'utf8');
    const wrong = [
      '',
      text.slice(0, -3),
      text.replace('"v":1', '"v":2'),
      text.replace('"pcrs":[7]', '"pcrs":[7,7]'),
      text.replace('"pcrs":[7]', '"pcrs":[24]'),
      text.replace(/"area":"[^"]*"/, '"area":""'),
      text.replace(/"privatePart":"/, `"privatePart":"${'A'.repeat(1024)}`),
      text.replace(/"root":"../, '"root":"'),
    ];
    for (const each of wrong) {
      writeFileSync(uri.path, each);
      await expect(open(uri, false)).rejects.toMatchObject({ code: 'KEY_STORE_INVALID' });
    }
    for (const [from, to] of [
      ['"pcrs":[7]', '"pcrs":[]'],
      ['"pcrs":[7]', '"pcrs":[0,7]'],
      [/"privatePart":"..../, '"privatePart":"AAAA'],
    ] as const) {
      writeFileSync(uri.path, text.replace(from, to));
      const altered = await open(uri, false);
      await expect(altered.provider.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    }
  });

  test('an address where no TPM is, or something that is none, is an outage', async () => {
    const uri = toUri();
    const { provider } = await open(uri, true);
    await provider.wrapKey({ dek, context });
    for (const device of ['/dev/no-such-tpm', '/dev/null', tpm.folder, 'tcp:127.0.0.1:1', 'elsewhere']) {
      const lost = await open({ ...uri, device }, false);
      await expect(lost.provider.wrapKey({ dek, context }), device).rejects.toMatchObject({
        code: 'KEY_PROVIDER_UNAVAILABLE',
      });
    }
  });
});
