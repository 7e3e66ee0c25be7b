/** `vault:` against the transit engine and AppRole of HashiCorp Vault itself: derived keys, versions, rewrap, refusals. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openProvider } from '../../src/adapters/kms/vault/index.ts';
import type { KeyProvider, VaultUri } from '../../src/seal/ports.ts';
import type { KeyStatus, RotateResult } from '../../src/workflows/index.ts';
import { createWorkplace, samples } from '../e2e/command.ts';
import { fakePorts } from '../fakes/provider-ports.ts';
import { seededBytes } from '../fakes/seal-kit.ts';
import { runKeyProviderContract } from '../key-provider-contract.ts';
import { describeWhere } from '../shared-data.ts';
import { hasVault, startVault, VAULT_NEEDED, type VaultServer } from '../vault-server.ts';

const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(3, 32);

describeWhere(hasVault, 'the transit engine of Vault', VAULT_NEEDED, () => {
  let vault: VaultServer;
  let folder: string;
  let made = 0;

  beforeAll(async () => {
    vault = await startVault();
    folder = mkdtempSync(join(tmpdir(), 'modelward-vault-'));
    writeFileSync(join(folder, 'token'), vault.token, { mode: 0o600 });
  });

  afterAll(async () => {
    await vault.stop();
    rmSync(folder, { recursive: true });
  });

  const connect = async (server: VaultServer, key: string, more: Partial<VaultUri> = {}): Promise<KeyProvider> => {
    const none = { namespace: null, caPath: null, tokenPath: join(folder, 'token'), appRolePath: null };
    const uri = { scheme: 'vault', mount: 'transit', key, addr: server.url, ...none, ...more } as const;
    return (await openProvider({ uri, ports: fakePorts(folder), create: false })).provider;
  };

  runKeyProviderContract({
    name: 'vault, its own engine, by AppRole',
    abilities: ['rotate', 'rewrap', 'disable', 'outage'],
    alterations: 24,
    make: async () => {
      const own = await startVault();
      const appRolePath = join(folder, `role-${++made}`);
      writeFileSync(appRolePath, own.roleFile, { mode: 0o600 });
      await own.addKey(`model-${made}`);
      const provider = await connect(own, `model-${made}`, { tokenPath: null, appRolePath });
      const close = async (): Promise<void> => {
        await provider.close?.();
        await own.stop();
      };
      return { provider: { ...provider, close }, breakService: () => own.stop() };
    },
  });

  test('keys that would not bind a context are refused: not derived, for signatures, missing', async () => {
    await vault.addKey('plain', { derived: false });
    await vault.addKey('signer', { derived: false, type: 'ed25519' });
    for (const [key, code] of [
      ['plain', 'KEY_SERVICE_UNFIT'],
      ['signer', 'KEY_SERVICE_UNFIT'],
      ['none', 'KEY_SERVICE_MISSING'],
    ]) {
      await expect((await connect(vault, key)).wrapKey({ dek, context })).rejects.toMatchObject({ code });
    }
    // The engine makes a key by encrypting with it: the provider did not.
    await expect((await connect(vault, 'none')).describe()).rejects.toMatchObject({ code: 'KEY_SERVICE_MISSING' });
  });

  test.each(['aes128-gcm96', 'chacha20-poly1305'])('a key of type %s wraps, too', async (type) => {
    await vault.addKey(type, { type });
    const provider = await connect(vault, type);
    expect(await provider.unwrapKey({ wrapped: await provider.wrapKey({ dek, context }), context })).toEqual(dek);
  });

  test('the ciphertext shows its version; a rewrap moves it, without the key leaving', async () => {
    await vault.addKey('moved');
    const provider = await connect(vault, 'moved');
    const before = await provider.wrapKey({ dek, context });
    await provider.rotate?.();
    const after = await provider.rewrapKey?.({ wrapped: before, context });
    const texts = [before, after].map((each) => Buffer.from(each?.wrapped ?? []).toString());
    expect(texts.map((text) => text.slice(0, 9))).toEqual(['vault:v1:', 'vault:v2:']);
    const { versions } = await provider.describe();
    for (const { createdAt } of versions)
      expect(Math.abs(Date.parse(createdAt ?? '') - Date.now())).toBeLessThan(600_000);
  });

  test('versions end from the oldest on; one that has ended says so', async () => {
    await vault.addKey('ended');
    const provider = await connect(vault, 'ended');
    const first = await provider.wrapKey({ dek, context });
    await provider.rotate?.();
    await provider.rotate?.();
    await expect(provider.disableVersion?.('2')).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    expect(await provider.unwrapKey({ wrapped: first, context })).toEqual(dek);
    for (const version of ['1', '2', '1']) await provider.disableVersion?.(version);
    await expect(provider.unwrapKey({ wrapped: first, context })).rejects.toMatchObject({ code: 'KEY_VERSION_GONE' });
    const { versions } = await provider.describe();
    expect(versions.map(({ version, state }) => `${version} ${state}`)).toEqual(['3 enabled']);
  });

  test('a token that is not known, and a secret of a role that is not right, are refused as such', async () => {
    await vault.addKey('guarded');
    const [tokenPath, appRolePath] = [join(folder, 'bad-token'), join(folder, 'bad-role')];
    writeFileSync(tokenPath, 'hvs.unknown', { mode: 0o600 });
    const role = JSON.parse(vault.roleFile) as object;
    writeFileSync(appRolePath, JSON.stringify({ ...role, secret_id: 'wrong' }), { mode: 0o600 });
    for (const more of [{ tokenPath }, { tokenPath: null, appRolePath }]) {
      const refused = (await connect(vault, 'guarded', more)).wrapKey({ dek, context });
      await expect(refused).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED' });
    }
  });

  test('a model is sealed under it, rotated and opened by the command; the old version is ended in Vault', async () => {
    const place = createWorkplace();
    try {
      await vault.addKey('models');
      const uri = `vault:transit/models?addr=${vault.url}&token-file=${encodeURIComponent(join(folder, 'token'))}`;
      const words = ['--key', uri];
      const model = join(samples, 'mlp.onnx');
      place.json(['seal', model, ...words, '--out', 'sealed/mlp.seal']);
      const rotated = ['keys', 'rotate', ...words, '--seal', 'sealed/mlp.seal', '--disable-old'];
      expect(place.json<RotateResult>(rotated)).toMatchObject({
        ...{ from: '1', to: '2', rewrapped: 1, remaining: {}, faults: [], disabled: ['1'] },
        seals: [{ isUnchanged: true, isAsRecorded: true }],
      });
      place.json(['open', 'sealed/mlp.seal', ...words, '--out', 'plain']);
      expect(readFileSync(join(place.folder, 'plain/mlp.onnx'))).toEqual(readFileSync(model));
      const { versions } = place.json<KeyStatus>(['keys', 'status', ...words]);
      expect(versions).toMatchObject([{ version: '2', state: 'enabled', wrappedKeys: 1 }]);
    } finally {
      place.remove();
    }
  });
});
