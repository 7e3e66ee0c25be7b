import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import { fixedClock, seededBytes } from '../../../../test/fakes/seal-kit.ts';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { describeWhere } from '../../../../test/shared-data.ts';
import { hasSoftHsm, makeTestToken, SOFTHSM_MODULE, SOFTHSM_NEEDED } from '../../../../test/softhsm.ts';
import { toHex, utf8 } from '../../../core/bytes.ts';
import { type KeyProvider, parseKeyUri, type Pkcs11Uri, type WrappedKey } from '../../../seal/index.ts';
import { toBoundBytes } from '../kek.ts';
import type { OpenedProvider } from '../provider.ts';
import { loadBridge, toModulePath } from './bridge.ts';
import { encryptOnToken } from './gcm.ts';
import { openProvider } from './open.ts';
import { openPkcs11Key } from './pkcs11.ts';
import { openTokenSession } from './token.ts';
import { generateVersion, listVersions } from './versions.ts';

const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(42, 32);

describe('pkcs11 bridge', () => {
  test('without the package, or without its compiled part, the error names it', async () => {
    const missing = { code: 'KEY_PACKAGE_MISSING', fields: { package: 'pkcs11js' } };
    await expect(loadBridge('pkcs11js-that-is-not-there')).rejects.toMatchObject(missing);
  });

  test('a module is named by an absolute path or a plain name, and has to be there', () => {
    const invalid = expect.objectContaining({ code: 'KEY_URI_INVALID' });
    expect(() => toModulePath({ modulePath: null, moduleName: null })).toThrow(invalid);
    expect(() => toModulePath({ modulePath: 'lib/x.so', moduleName: null })).toThrow(invalid);
    expect(() => toModulePath({ modulePath: null, moduleName: '../x' })).toThrow(invalid);
    const absent = expect.objectContaining({ code: 'KEY_SERVICE_MISSING' });
    expect(() => toModulePath({ modulePath: '/nowhere/x.so', moduleName: null })).toThrow(absent);
    expect(() => toModulePath({ modulePath: null, moduleName: 'no-such-module' })).toThrow(absent);
  });
});

describeWhere(hasSoftHsm, 'pkcs11 key on SoftHSM2', SOFTHSM_NEEDED, () => {
  const token = makeTestToken('modelward test');
  let made = 0;
  afterAll(() => {
    token.remove();
  });

  function toUri(object: string, extra = ''): Pkcs11Uri {
    const path = `token=${encodeURIComponent(token.label)};object=${encodeURIComponent(object)};type=secret-key${extra}`;
    return parseKeyUri(`pkcs11:${path}?module-path=${SOFTHSM_MODULE}&pin-source=file:${token.pinPath}`) as Pkcs11Uri;
  }

  const opened: KeyProvider[] = [];
  afterEach(async () => {
    for (const provider of opened.splice(0)) await provider.close?.();
  });

  async function open(uri: Pkcs11Uri, create = true): Promise<OpenedProvider> {
    const ports = fakePorts(token.folder, { askPassphrase: () => Promise.resolve(utf8(token.pin)) });
    const result = await openProvider({ uri, ports, create });
    opened.push(result.provider);
    return result;
  }

  function fresh(): Promise<OpenedProvider> {
    made++;
    return open(toUri(`key ${made}`));
  }

  /** What a restart of the HSM's daemon looks like: the module forgets its sessions, and the next call opens another. */
  const forgetSessions = async (): Promise<void> => {
    const module = new (await loadBridge()).PKCS11();
    module.load(SOFTHSM_MODULE);
    module.C_Finalize();
  };

  runKeyProviderContract({
    name: 'pkcs11 (SoftHSM2)',
    abilities: ['rotate', 'disable', 'return'],
    make: async () => ({ ...(await fresh()), outage: { begin: forgetSessions, end: () => undefined } }),
  });

  test('the key is AES-256, never leaves the token, and pkcs11-tool sees it and cannot read it', async () => {
    const { provider, keyRef } = await fresh();
    const wrapped = await provider.wrapKey({ dek, context });
    expect(keyRef).toBe(`token=modelward%20test;object=key%20${made}`);
    const list = token.tool('--list-objects', '--type', 'secrkey');
    const entry = list.split('Secret Key Object').find((each) => each.includes(`key ${made}\n`)) ?? '';
    expect(entry).toContain('AES length 32');
    expect(entry).toContain(`ID:         ${wrapped.keyVersion}`);
    expect(entry).toMatch(/Usage:\s+encrypt, decrypt\n/);
    expect(entry).toMatch(/Access:\s+sensitive, always sensitive, never extractable, local\n/);
    const read = ['--read-object', '--type', 'secrkey', '--label', `key ${made}`, '-o', join(token.folder, 'stolen')];
    expect(token.tool(...read)).toMatch(/CKR_ATTRIBUTE_SENSITIVE|sensitive/i);
  });

  test('a description tells the day of each version; a disabled one stays on the token', async () => {
    const { provider } = await fresh();
    await provider.rotate?.();
    await provider.disableVersion?.('0000000120260102');
    expect(await provider.describe()).toEqual({
      type: 'pkcs11',
      keyRef: `token=modelward%20test;object=key%20${made}`,
      currentVersion: '0000000220260102',
      versions: [
        { version: '0000000120260102', createdAt: '2026-01-02T00:00:00.000Z', state: 'disabled' },
        { version: '0000000220260102', createdAt: '2026-01-02T00:00:00.000Z', state: 'enabled' },
      ],
      standing: null,
    });
    expect(token.tool('--list-objects', '--type', 'secrkey')).toContain(`key ${made}`);
  });

  test('however a URI spells the key, its name is the one on the token; what was written under other spellings opens', async () => {
    const { provider } = await open(toUri('one key'));
    const wrapped = await provider.wrapKey({ dek, context });
    expect(wrapped.keyRef).toBe('token=modelward%20test;object=one%20key');
    const { modulePath, moduleName, pinPath, scheme } = toUri('x');
    const serial = /serial num\s*:\s*(\S+)/.exec(token.tool('--list-slots'))?.[1] ?? 'no serial';
    const { keyVersion: id } = wrapped;
    const spellings = [
      { serial, object: 'one key' },
      { object: 'one key' },
      { token: token.label, object: 'one key', id },
    ];
    for (const attributes of spellings) {
      const other = (await open({ scheme, attributes, modulePath, moduleName, pinPath }, false)).provider;
      expect(await other.describe()).toMatchObject({ keyRef: wrapped.keyRef, currentVersion: id });
      expect((await other.wrapKey({ dek, context })).keyRef).toBe(wrapped.keyRef);
      expect(await other.unwrapKey({ wrapped, context })).toEqual(dek);
    }
    const uri = toUri('one key');
    const session = await openTokenSession({ uri, readPin: () => Promise.resolve(utf8(token.pin)) });
    const [{ handle }] = listVersions(session, uri.attributes);
    const write = (keyRef: string): WrappedKey => {
      const name = { type: 'pkcs11', keyRef, keyVersion: id };
      return { ...name, wrapped: encryptOnToken(session, dek, { key: handle, aad: toBoundBytes(name, context) }) };
    };
    for (const said of [
      'object=one%20key',
      `object=one%20key;id=${id}`,
      `token=modelward%20test;id=${id}`,
      `id=${id}`,
    ]) {
      expect(await provider.unwrapKey({ wrapped: write(said), context }), said).toEqual(dek);
    }
    for (const said of [
      'token=other;object=one%20key',
      'object=two',
      'token=modelward%20test',
      'object=one key',
      'object=%',
    ]) {
      expect(await provider.unwrapKey({ wrapped: write(said), context }), said).toBeNull();
    }
    await expect(provider.unwrapKey({ wrapped: write('object=one%20key;id=07'), context })).rejects.toMatchObject({
      code: 'KEY_REFUSED',
    });
    session.end();
  });

  test('a URI with an id names one version, and is not rotated', async () => {
    const { provider } = await open(toUri('pinned', ';id=%07'));
    expect((await provider.wrapKey({ dek, context })).keyVersion).toBe('07');
    expect('rotate' in provider).toBe(false);
    const byId = await open({ ...toUri('x'), attributes: { token: token.label, id: '07' } }, false);
    expect((await byId.provider.describe()).keyRef).toBe('token=modelward%20test;object=pinned');
    const all = await open(toUri('pinned'), false);
    expect(await all.provider.rotate?.()).toBe('0000000820260102');
  });

  test('a version that somebody else made at the same moment is taken back', async () => {
    await open(toUri('raced'));
    const uri = toUri('raced');
    const token2 = await openTokenSession({ uri, readPin: () => Promise.resolve(utf8(token.pin)) });
    try {
      const [{ version }] = listVersions(token2, uri.attributes);
      const again = (): string => generateVersion(token2, { label: 'raced', id: version });
      expect(again).toThrow(expect.objectContaining({ code: 'KEY_PROVIDER_UNAVAILABLE' }));
      expect(listVersions(token2, uri.attributes)).toHaveLength(1);
    } finally {
      token2.end();
    }
  });

  test('a key made by pkcs11-tool is used when it cannot leave the token, and refused when it can, or is no AES-256', async () => {
    const make = (label: string, type: string, ...more: string[]): string =>
      token.tool('--keygen', '--key-type', type, '--label', label, '--id', '01', ...more);
    make('by tool', 'AES:32', '--sensitive');
    const { provider } = await open(toUri('by tool'), false);
    const wrapped = await provider.wrapKey({ dek, context });
    expect(toHex((await provider.unwrapKey({ wrapped, context })) ?? new Uint8Array())).toBe(toHex(dek));
    make('short', 'AES:16', '--sensitive');
    make('loose', 'AES:32', '--extractable');
    make('twin', 'AES:32', '--sensitive');
    make('twin', 'AES:32', '--sensitive');
    for (const label of ['short', 'loose', 'twin']) {
      const unfit = await open(toUri(label), false);
      await expect(unfit.provider.wrapKey({ dek, context }), label).rejects.toMatchObject({
        code: 'KEY_SERVICE_UNFIT',
      });
    }
  });

  test('no key, no token, a wrong PIN, an exposed PIN: each has its own code', async () => {
    const absent = await open(toUri('never made'), false);
    await expect(absent.provider.wrapKey({ dek, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_MISSING' });
    const nowhere = await open({ ...toUri('x'), attributes: { token: 'other', object: 'x' } }, false);
    await expect(nowhere.provider.describe()).rejects.toMatchObject({ code: 'KEY_PROVIDER_UNAVAILABLE' });
    for (const provider of opened.splice(0)) await provider.close?.();
    const describeWith = (readPin: () => Promise<Uint8Array>): Promise<unknown> =>
      openPkcs11Key({ uri: toUri('x'), clock: fixedClock(), readPin }).describe();
    const refused: unknown = await describeWith(() => Promise.resolve(utf8('canary-00'))).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED', fields: { ckr: 'CKR_PIN_INCORRECT' } });
    const told = JSON.stringify(refused, Object.getOwnPropertyNames(refused)) + String((refused as Error).stack);
    expect(told).not.toContain('canary');
    const exposed = join(token.folder, 'exposed-pin');
    writeFileSync(exposed, token.pin, { mode: 0o600 });
    chmodSync(exposed, 0o644);
    for (const [pinPath, code] of [
      [exposed, 'KEY_CREDENTIALS_UNSAFE'],
      [`${exposed}.none`, 'KEY_CREDENTIALS_MISSING'],
    ] as const) {
      const { provider } = await open({ ...toUri('x'), pinPath }, false);
      await expect(provider.describe()).rejects.toMatchObject({ code });
    }
  });

  test('after an outage the next call opens a session anew; the PIN is asked for once per session, and wiped', async () => {
    made++;
    const given: Uint8Array[] = [];
    const readPin = (): Promise<Uint8Array> => {
      given.push(utf8(token.pin));
      return Promise.resolve(given[given.length - 1]);
    };
    const provider = openPkcs11Key({ uri: toUri(`key ${made}`), clock: fixedClock(), readPin });
    opened.push(provider);
    await provider.rotate?.();
    const wrapped = await provider.wrapKey({ dek, context });
    expect(given).toHaveLength(1);
    await forgetSessions();
    const outage = { code: 'KEY_PROVIDER_UNAVAILABLE', fields: { ckr: 'CKR_CRYPTOKI_NOT_INITIALIZED' } };
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject(outage);
    expect(toHex((await provider.unwrapKey({ wrapped, context })) ?? new Uint8Array())).toBe(toHex(dek));
    expect(given).toHaveLength(2);
    for (const pin of given) expect(pin.every((byte) => byte === 0)).toBe(true);
  });
});
