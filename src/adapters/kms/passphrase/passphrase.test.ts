import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fixedClock, seededBytes, seededRandom } from '../../../../test/fakes/seal-kit.ts';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { toHex, utf8 } from '../../../core/bytes.ts';
import { derivePassphraseKey } from './derive.ts';
import { parsePassphraseFile } from './key-file.ts';
import { createPassphraseKey, openPassphraseKey, type PassphraseKey, type PassphraseKeyOptions } from './passphrase.ts';

const PASSPHRASE = 'five random words are better';
const work = mkdtempSync(join(tmpdir(), 'modelward-passphrase-'));
const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(42, 32);
let made = 0;

afterAll(() => {
  rmSync(work, { recursive: true });
});

interface Asking extends PassphraseKeyOptions {
  /** Every passphrase buffer that was handed out. */
  readonly given: { readonly bytes: Uint8Array; readonly isNew: boolean }[];
}

function freshOptions(passphrase = PASSPHRASE): Asking {
  made++;
  return withPassphrase(join(work, `key-${made}.json`), passphrase);
}

function withPassphrase(path: string, passphrase: string): Asking {
  const given: Asking['given'][number][] = [];
  return {
    path,
    random: seededRandom(made),
    clock: fixedClock(),
    given,
    askPassphrase: ({ isNew }) => {
      const bytes = utf8(passphrase);
      given.push({ bytes, isNew });
      return Promise.resolve(bytes);
    },
  };
}

/** At the lowest cost that is accepted. */
function create(options: PassphraseKeyOptions): Promise<PassphraseKey> {
  return createPassphraseKey(options, { logN: 14 });
}

runKeyProviderContract({
  name: 'passphrase',
  abilities: ['rotate', 'disable'],
  make: async () => ({ provider: await create(freshOptions()) }),
});

describe('passphrase key', () => {
  test('the passphrase is asked for once, however many calls wait, and is wiped; close forgets what was derived', async () => {
    const options = freshOptions();
    const key = await create(options);
    const wrapped = await Promise.all([1, 2, 3].map(() => key.wrapKey({ dek, context })));
    await key.unwrapKey({ wrapped: wrapped[0], context });
    expect(options.given.map(({ isNew }) => isNew)).toEqual([true]);
    await key.close();
    await Promise.all(wrapped.map((each) => key.unwrapKey({ wrapped: each, context })));
    expect(options.given.map(({ isNew }) => isNew)).toEqual([true, false]);
    for (const { bytes } of options.given) expect(bytes.every((byte) => byte === 0)).toBe(true);
    await key.close();
  });

  test('a wrong passphrase wraps nothing, unwraps nothing, rotates nothing, and can be corrected', async () => {
    const options = freshOptions();
    const key = await create(options);
    const wrapped = await key.wrapKey({ dek, context });
    const before = readFileSync(options.path);
    const answers = ['not the passphrase', 'not this either', 'nor this one', PASSPHRASE];
    const other = openPassphraseKey({ ...options, askPassphrase: () => Promise.resolve(utf8(answers.shift() ?? '')) });
    const refused = { code: 'KEY_REFUSED' };
    await expect(other.wrapKey({ dek, context })).rejects.toMatchObject(refused);
    await expect(other.unwrapKey({ wrapped, context })).rejects.toMatchObject(refused);
    await expect(other.rotate()).rejects.toMatchObject(refused);
    expect(readFileSync(options.path).equals(before)).toBe(true);
    expect(toHex((await other.unwrapKey({ wrapped, context })) ?? new Uint8Array())).toBe(toHex(dek));
  });

  test('who rotates while somebody else did so overwrites nothing', async () => {
    const options = freshOptions();
    const key = await create(options);
    const other = openPassphraseKey(options);
    const both = await Promise.allSettled([key.rotate(), other.rotate()]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const lost = both.find((each) => each.status === 'rejected');
    expect(lost?.reason).toMatchObject({ code: 'KEY_STORE_BUSY' });
    expect(await key.rotate()).toBe('3');
  });

  test('a failure to ask is told as it is, and asked again', async () => {
    const options = freshOptions();
    await create(options);
    const key = openPassphraseKey({ ...options, askPassphrase: () => Promise.reject(new TypeError('nobody there')) });
    await expect(key.wrapKey({ dek, context })).rejects.toThrow('nobody there');
    await expect(key.wrapKey({ dek, context })).rejects.toThrow('nobody there');
  });

  test('a new passphrase has at least 12 characters, and then no file is made', async () => {
    const options = freshOptions('pässphräse1');
    await expect(create(options)).rejects.toMatchObject({ code: 'SIGN_PASSPHRASE_SHORT' });
    expect(() => statSync(options.path)).toThrow();
    await expect(create(withPassphrase(options.path, 'pässphräse12'))).resolves.toBeDefined();
  });

  test('composed and decomposed letters are the same passphrase', async () => {
    const options = freshOptions('Schlüsselwörter');
    const wrapped = await (await create(options)).wrapKey({ dek, context });
    const typed = openPassphraseKey(withPassphrase(options.path, 'Schlu\u0308sselwo\u0308rter'));
    expect(toHex((await typed.unwrapKey({ wrapped, context })) ?? new Uint8Array())).toBe(toHex(dek));
  });

  test('the key is scrypt of RFC 7914', async () => {
    // RFC 7914 section 12 has no vector at r = 8, p = 1 and a 32-byte salt; this one is of Python's hashlib.scrypt.
    const salt = Uint8Array.from({ length: 32 }, (_, at) => at);
    const key = await derivePassphraseKey(utf8('correct horse battery'), {
      name: 'scrypt',
      logN: 14,
      r: 8,
      p: 1,
      salt,
    });
    expect(toHex(key)).toBe('593b05e035c14d13b25b0acd2764a17eebd545801c33dc8e68b5f00aaa039f0c');
  });

  test('the file is 0600 and never overwritten; costs out of range and malformed files are refused unread', async () => {
    const options = freshOptions();
    await create(options);
    expect(statSync(options.path).mode & 0o777).toBe(0o600);
    await expect(create(options)).rejects.toMatchObject({ code: 'KEY_STORE_EXISTS' });
    const text = readFileSync(options.path, 'utf8');
    const wrong = [
      '',
      text.slice(0, -3),
      text.replace('"logN":14', '"logN":13'),
      text.replace('"logN":14', '"logN":63'),
      text.replace('"logN":14', '"logN":14.5'),
      text.replace('"r":8', '"r":1048576'),
      text.replace('"p":1', '"p":5'),
      text.replace('"p":1', '"p":0'),
      text.replace(/"salt":"./, '"salt":"*'),
      text.replace(/"box":"..../, '"box":"'),
      text.replace('"v":1', '"extra":1,"v":1'),
      text.replace(/"versions":\[.*\]/, '"versions":[]'),
      text.replace(/"versions":\[(.*)\]/, '"versions":[$1,$1]'),
    ];
    for (const each of wrong) {
      writeFileSync(options.path, each);
      expect(() => openPassphraseKey(options)).toThrow(expect.objectContaining({ code: 'KEY_STORE_INVALID' }));
    }
  });

  test('an altered box, cost or salt is refused like a wrong passphrase', async () => {
    const options = freshOptions();
    const wrapped = await (await create(options)).wrapKey({ dek, context });
    const text = readFileSync(options.path, 'utf8');
    const { versions, kdf } = parsePassphraseFile(readFileSync(options.path));
    const box = Buffer.from(versions[0].box).toString('base64');
    const salt = Buffer.from(kdf.salt).toString('base64');
    for (const [from, to] of [
      [box, Buffer.from(seededBytes(1, 60)).toString('base64')],
      [salt, Buffer.from(seededBytes(1, 32)).toString('base64')],
      ['"logN":14', '"logN":15'],
      ['"version":1', '"version":2'],
    ]) {
      writeFileSync(options.path, text.replace(from, to));
      const key = openPassphraseKey(options);
      const named = { ...wrapped, keyVersion: to === '"version":2' ? '2' : '1' };
      await expect(key.unwrapKey({ wrapped: named, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    }
  });

  test('no file and no error carries the passphrase or a key', async () => {
    const options = freshOptions('canary-passphrase-3141592653');
    const key = await create(options);
    expect(readFileSync(options.path, 'utf8')).not.toContain('canary');
    const wrapped = await key.wrapKey({ dek, context });
    const other = openPassphraseKey(withPassphrase(options.path, 'canary-but-wrong-2718281828'));
    const error: unknown = await other.unwrapKey({ wrapped, context }).catch((reason: unknown) => reason);
    const told = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).stack);
    expect(told).not.toContain('canary');
  });
});
