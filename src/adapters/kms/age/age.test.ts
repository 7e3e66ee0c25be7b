import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decrypter, Encrypter, identityToRecipient } from 'age-encryption';
import { afterAll, describe, expect, test } from 'vitest';
import { fixedClock, seededBytes, seededRandom } from '../../../../test/fakes/seal-kit.ts';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { describeWithProgram } from '../../../../test/shared-data.ts';
import { toHex } from '../../../core/bytes.ts';
import type { KeyProvider } from '../../../seal/ports.ts';
import { openAgeKey } from './age.ts';
import { encodeBech32, findBech32Bytes } from './bech32.ts';
import { decryptAgeFile, encryptAgeFile } from './file.ts';
import { findArmored } from './format.ts';
import { createAgeIdentity, withIdentities } from './identity.ts';
import { toPublicKey } from './x25519.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-age-'));
const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(42, 32);
const clock = fixedClock();
let made = 0;

afterAll(() => {
  rmSync(work, { recursive: true });
});

function makeIdentity(): { identityPath: string; recipient: string } {
  made++;
  const identityPath = join(work, `identity-${made}.txt`);
  return { identityPath, recipient: createAgeIdentity({ path: identityPath, random: seededRandom(made), clock }) };
}

function open(options: { identityPath?: string; recipient?: string }): KeyProvider {
  return openAgeKey({ ...options, random: seededRandom(1000 + made) });
}

runKeyProviderContract({
  name: 'age',
  abilities: [],
  make: () => Promise.resolve({ provider: open({ identityPath: makeIdentity().identityPath }) }),
});

describe('age provider', () => {
  test('wrapping needs the recipient only; unwrapping without the identity file is refused', async () => {
    const { identityPath, recipient } = makeIdentity();
    const wrapped = await open({ recipient }).wrapKey({ dek, context });
    expect(wrapped).toMatchObject({ type: 'age', keyRef: recipient, keyVersion: '1' });
    await expect(open({ recipient }).unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    const back = await open({ identityPath }).unwrapKey({ wrapped, context });
    expect(toHex(back ?? new Uint8Array())).toBe(toHex(dek));
  });

  test('an age file without the context, as the stock CLI makes it, is refused', async () => {
    const { identityPath, recipient } = makeIdentity();
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    const binary = await encrypter.encrypt(dek);
    const lines =
      Buffer.from(binary)
        .toString('base64')
        .match(/.{1,64}/g) ?? [];
    const text = `-----BEGIN AGE ENCRYPTED FILE-----\n${lines.join('\n')}\n-----END AGE ENCRYPTED FILE-----\n`;
    const key = open({ identityPath });
    const wrapped = { ...(await key.wrapKey({ dek, context })), wrapped: Buffer.from(text) };
    await expect(key.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    const opened = withIdentities(identityPath, ([secret]) => decryptAgeFile(Buffer.from(text), secret));
    expect(toHex(opened?.plain ?? new Uint8Array())).toBe(toHex(dek));
  });

  test('recipients that are none, of another kind, or not of the identity file are named as such', () => {
    const { identityPath, recipient } = makeIdentity();
    const other = makeIdentity().recipient;
    const wrong = expect.objectContaining({ code: 'KEY_URI_INVALID' });
    for (const bad of [
      'age1',
      `${recipient}q`,
      recipient.slice(0, -1),
      recipient.replace(/.$/, (c) => (c === 'q' ? 'p' : 'q')),
    ]) {
      expect(() => open({ recipient: bad })).toThrow(wrong);
    }
    expect(() => open({ recipient: other, identityPath })).toThrow(wrong);
    expect(() => open({})).toThrow(TypeError);
  });

  test('an identity file is 0600, is never overwritten, and is checked at every use', async () => {
    const { identityPath } = makeIdentity();
    expect(statSync(identityPath).mode & 0o777).toBe(0o600);
    const again = { path: identityPath, random: seededRandom(1), clock };
    expect(() => createAgeIdentity(again)).toThrow(expect.objectContaining({ code: 'KEY_STORE_EXISTS' }));
    const key = open({ identityPath });
    const wrapped = await key.wrapKey({ dek, context });
    chmodSync(identityPath, 0o644);
    await expect(key.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_STORE_UNSAFE' });
  });

  test('a malformed identity file is refused, and no error quotes it', () => {
    const { identityPath } = makeIdentity();
    const text = readFileSync(identityPath, 'utf8');
    const secret = /AGE-SECRET-KEY-1\w+/.exec(text)?.[0] ?? '';
    const wrong = [
      '',
      '# only a comment\n',
      text.replace(secret, secret.slice(0, -1)),
      text.replace(secret, secret.slice(1)),
      text.replace(secret, secret.replace(/-1./, '-1B')),
    ];
    for (const each of wrong) {
      writeFileSync(identityPath, each);
      const error = catchError(() => open({ identityPath }));
      expect(error).toMatchObject({ code: 'KEY_STORE_INVALID' });
      expect(`${String(error)}${JSON.stringify(error)}`).not.toContain(secret.slice(20, 40));
    }
    writeFileSync(identityPath, text.replaceAll('\n', '\r\n'));
    expect(() => open({ identityPath })).not.toThrow();
  });
});

describe('age file', () => {
  const secret = seededBytes(7, 32);
  const extra = { type: 'extra', args: ['a', 'b'], body: seededBytes(8, 48) };

  test('a body that fills its last line ends with an empty one, and comes back', () => {
    const publicKey = toPublicKey(secret);
    const armored = encryptAgeFile({ plain: dek, publicKey, extra, random: seededRandom(3) });
    const header = Buffer.from(findArmored(armored) ?? new Uint8Array())
      .toString('latin1')
      .split('\n--- ')[0];
    expect(header).toMatch(/-> extra a b\n.{64}\n$/);
    expect(decryptAgeFile(armored, secret)?.stanzas[1]).toMatchObject({ type: 'extra', args: ['a', 'b'] });
    expect(decryptAgeFile(armored, seededBytes(9, 32))).toBeNull();
  });

  test('a point of low order opens nothing', () => {
    const zero = new Uint8Array(32);
    expect(() => encryptAgeFile({ plain: dek, publicKey: zero, extra, random: seededRandom(3) })).toThrow();
  });

  test('typage opens ours, skipping the stanza that it does not know', async () => {
    const { identityPath, recipient } = makeIdentity();
    const { wrapped } = await open({ recipient }).wrapKey({ dek, context });
    const decrypter = new Decrypter();
    const identity = /AGE-SECRET-KEY-1\w+/.exec(readFileSync(identityPath, 'utf8'))?.[0] ?? '';
    decrypter.addIdentity(identity);
    expect(toHex(await decrypter.decrypt(findArmored(wrapped) ?? new Uint8Array()))).toBe(toHex(dek));
    expect(await identityToRecipient(identity)).toBe(recipient);
  });
});

describe('bech32', () => {
  test('the valid strings of BIP 173 keep their checksum, the invalid ones are refused', () => {
    for (const valid of ['a12uel5l', 'A12UEL5L', 'abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw', '?1ezyfcl']) {
      const prefix = valid.slice(0, valid.lastIndexOf('1')).toLowerCase();
      expect(findBech32Bytes(prefix, Buffer.from(valid))).toBeDefined();
    }
    for (const invalid of ['A1G7SGD8', 'a12UEL5L', 'x1b4n0q5v', 'li1dgmt3', 'de1lg7wt\xff']) {
      const prefix = invalid.slice(0, invalid.lastIndexOf('1')).toLowerCase();
      expect(findBech32Bytes(prefix, Buffer.from(invalid, 'latin1'))).toBeUndefined();
    }
  });

  test('find undoes encode at every length', () => {
    for (let length = 0; length < 70; length++) {
      const data = seededBytes(length + 1, length);
      expect(toHex(findBech32Bytes('age', encodeBech32('age', data)) ?? Uint8Array.of(0))).toBe(toHex(data));
    }
  });
});

describeWithProgram('age CLI', 'age', ['--version'], () => {
  test('age -d gives the data key of what we wrapped, and refuses another identity', async () => {
    const { identityPath, recipient } = makeIdentity();
    const { wrapped } = await open({ recipient }).wrapKey({ dek, context });
    const plain = execFileSync('age', ['-d', '-i', identityPath], { input: wrapped });
    expect(toHex(new Uint8Array(plain))).toBe(toHex(dek));
    const stranger = spawnSync('age', ['-d', '-i', makeIdentity().identityPath], { input: wrapped });
    expect(stranger.status).not.toBe(0);
  });

  test('what age-keygen and age -a write, we read', () => {
    const identityPath = join(work, 'keygen.txt');
    execFileSync('age-keygen', ['-o', identityPath], { stdio: 'ignore' });
    const recipient = execFileSync('age-keygen', ['-y', identityPath]).toString().trim();
    const armored = execFileSync('age', ['-a', '-r', recipient], { input: dek });
    const opened = withIdentities(identityPath, ([secret]) => decryptAgeFile(armored, secret));
    expect(toHex(opened?.plain ?? new Uint8Array())).toBe(toHex(dek));
    expect(() => open({ recipient, identityPath })).not.toThrow();
  });
});

function catchError(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}
