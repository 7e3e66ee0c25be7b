import { randomFillSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../core/bytes.ts';
import { type ErrorCode, SignError } from '../core/errors.ts';
import { signDsse, verifyDsse, encodeDsse } from './dsse.ts';
import { createBackup, restoreBackup } from './backup.ts';
import {
  createOwner,
  decodeOwner,
  decodeOwnerIdentity,
  decodeSignerKey,
  encodeOwner,
  encodeOwnerIdentity,
  type Owner,
  ownerSigner,
  zeroizeOwner,
} from './owner.ts';
import { ownerSeedBox, SEED_BOX_BYTES } from './seed-box.ts';

const random = { fill: (into: Uint8Array) => void randomFillSync(into) };
const clock = { nowMs: () => 1_700_000_000_123 };
const newOwner = (ownerId = 'Acme Models') => createOwner({ ownerId, random, clock });

async function codeOf(action: () => unknown): Promise<ErrorCode | 'no error'> {
  try {
    await action();
    return 'no error';
  } catch (error) {
    if (error instanceof SignError) return error.code;
    throw error;
  }
}

function withField(bytes: Uint8Array, change: (json: Record<string, unknown>) => void): Uint8Array {
  const json = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  change(json);
  return utf8(JSON.stringify(json));
}

describe('owner identity', () => {
  it('has independent keys, and its file brings all of them back', () => {
    const owner = newOwner();
    const again = decodeOwner(encodeOwner(owner));
    expect(again).toEqual(owner);
    expect(owner.identity.createdAt).toBe('2023-11-14T22:13:20.123Z');
    expect(Buffer.from(owner.secrets.sealKey).equals(Buffer.from(owner.secrets.ledgerSeed))).toBe(false);
  });

  it('publishes an identity without any secret', () => {
    const owner = newOwner();
    const bytes = encodeOwnerIdentity(owner.identity);
    expect(decodeOwnerIdentity(bytes)).toEqual(owner.identity);
    const text = new TextDecoder().decode(bytes);
    for (const secret of Object.values(owner.secrets) as Uint8Array[]) {
      expect(text).not.toContain(Buffer.from(secret).toString('base64'));
    }
  });

  it('signs with the published key', async () => {
    const owner = newOwner();
    const envelope = encodeDsse(await signDsse({ payloadType: 't', payload: utf8('x'), signer: ownerSigner(owner) }));
    const verified = verifyDsse({ envelope, payloadType: 't', publicKeyPem: owner.identity.signKey });
    expect(new TextDecoder().decode(verified.payload)).toBe('x');
  });

  it('zeroizes every secret', () => {
    const owner = newOwner();
    zeroizeOwner(owner);
    for (const secret of Object.values(owner.secrets) as Uint8Array[])
      expect(secret.every((byte) => byte === 0)).toBe(true);
  });

  it('takes no empty, long, padded or direction-changing owner names', () => {
    for (const ownerId of ['', ' a', 'a\n', 'a\u202eb', 'a\0b', 'x'.repeat(129)]) {
      expect(() => newOwner(ownerId)).toThrow(TypeError);
    }
    expect(newOwner('Société Générale · 模型').identity.ownerId).toBe('Société Générale · 模型');
  });

  it('refuses owner files that are malformed', async () => {
    const good = encodeOwner(newOwner());
    const changes: ((json: Record<string, unknown>) => void)[] = [
      (json) => (json.v = 2),
      (json) => (json.kind = 'other'),
      (json) => (json.extra = 1),
      (json) => (json.sealKey = 'AAAA'),
      (json) => (json.signKey = 'AAAA'),
      (json) => ((json.identity as { createdAt: string }).createdAt = 'yesterday'),
      (json) => ((json.identity as { ledgerVkeyName: string }).ledgerVkeyName = 'a b'),
      (json) => ((json.identity as { signKey: string }).signKey = 'no key'),
    ];
    for (const change of changes) {
      expect(await codeOf(() => decodeOwner(withField(good, change)))).toBe('SIGN_OWNER_MALFORMED');
    }
    expect(await codeOf(() => decodeOwner(new Uint8Array(20_000)))).toBe('SIGN_OWNER_MALFORMED');
    expect(await codeOf(() => decodeOwner(utf8('{')))).toBe('SIGN_OWNER_MALFORMED');
  });

  it('refuses secrets that belong to another identity', async () => {
    const other = newOwner();
    const mixed = withField(encodeOwner(newOwner()), (json) => (json.identity = other.identity));
    expect(await codeOf(() => decodeOwner(mixed))).toBe('SIGN_OWNER_MISMATCH');
  });

  it('shows no secret in its errors', () => {
    const canary = Buffer.from('CANARY-CANARY-CANARY-CANARY-1234').toString('base64');
    const file = withField(encodeOwner(newOwner()), (json) => {
      json.sealKey = `${canary}${canary}`;
    });
    const broken = [file, utf8(`{"sealKey":"${canary}",`)];
    for (const bytes of broken) {
      try {
        decodeOwner(bytes);
        expect.unreachable();
      } catch (error) {
        const { stack, message, fields, cause } = error as SignError;
        expect(JSON.stringify([stack, message, fields, String(cause)])).not.toContain(canary.slice(0, 12));
      }
    }
  });
});

describe('the key of a signer', () => {
  const { identity } = newOwner();
  const pem = identity.signKey;

  it.each([
    ['PEM', pem],
    ['PEM inside other text', `  owner  acme\n\n${pem}`],
    ['an identity file', Buffer.from(encodeOwnerIdentity(identity)).toString()],
    ['JSON around an identity', JSON.stringify({ owner: identity, backedUp: false })],
  ])('is found in %s', (_name, text) => {
    expect(decodeSignerKey(utf8(text))).toBe(pem);
  });

  it.each([
    ['nothing', '', 'SIGN_SIGNER_MALFORMED'],
    ['two keys', `${pem}${pem}`, 'SIGN_SIGNER_MALFORMED'],
    ['a key that is cut off', pem.slice(0, -20), 'SIGN_SIGNER_MALFORMED'],
    ['a key with other characters', pem.replace('MFkw', 'MF!w'), 'SIGN_KEY_INVALID'],
    ['a megabyte', 'x'.repeat(2 ** 20), 'SIGN_SIGNER_MALFORMED'],
  ])('is not found in %s', (_name, text, code) => {
    expect(() => decodeSignerKey(utf8(text))).toThrow(expect.objectContaining({ code }));
  });
});

describe('seed box', () => {
  const seed = new Uint8Array(32).map((_, index) => index);
  const context = utf8('commitment context');

  it('opens what it sealed, and two boxes of one seed differ', () => {
    const box = ownerSeedBox({ secrets: newOwner().secrets, random });
    const first = box.sealSeed(seed, context);
    const second = box.sealSeed(seed, context);
    expect(Buffer.from(first, 'base64')).toHaveLength(SEED_BOX_BYTES);
    expect(first).not.toBe(second);
    expect(box.openSeed(first, context)).toEqual(seed);
    expect(box.openSeed(second, context)).toEqual(seed);
  });

  it('fails in one way for another owner, another context, any flipped bit and any other length', () => {
    const box = ownerSeedBox({ secrets: newOwner().secrets, random });
    const sealed = box.sealSeed(seed, context);
    const failures = new Set<string>();
    const fails = (action: () => unknown) => {
      try {
        action();
        expect.unreachable();
      } catch (error) {
        const { code, message, fields } = error as SignError;
        failures.add(JSON.stringify([code, message, fields]));
      }
    };
    fails(() => ownerSeedBox({ secrets: newOwner().secrets, random }).openSeed(sealed, context));
    fails(() => box.openSeed(sealed, utf8('other context')));
    fails(() => box.openSeed(sealed.slice(4), context));
    for (const other of ['', 'not base64', null, 7, {}]) fails(() => box.openSeed(other, context));
    for (let bit = 0; bit < SEED_BOX_BYTES * 8; bit++) {
      const altered = Buffer.from(sealed, 'base64');
      altered[bit >> 3] ^= 1 << (bit & 7);
      fails(() => box.openSeed(altered.toString('base64'), context));
    }
    expect([...failures]).toHaveLength(1);
    expect([...failures][0]).toContain('SIGN_SEED_REFUSED');
  });

  it('has the layout of docs/spec/owner-keys.md 3 (vector made with python cryptography)', () => {
    const range = (first: number) => new Uint8Array(32).map((_, index) => first + index);
    const secrets = { signKeyPkcs8: new Uint8Array(0), ledgerSeed: new Uint8Array(32), sealKey: range(0) };
    const box = ownerSeedBox({
      secrets,
      random: {
        fill: (into) => {
          into.set(range(0x40));
        },
      },
    });
    expect(Buffer.from(box.sealSeed(range(0x20), utf8('context')), 'base64').toString('hex')).toBe(
      '404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f' +
        '516c5223c2d36aa91219cf8e574637be096385eaf4e93963785e9bf4327b968a9fcbeac10f01267ce4ad8faa43d9f957',
    );
  });

  it('seals 32 bytes and nothing else', () => {
    const box = ownerSeedBox({ secrets: newOwner().secrets, random });
    expect(() => box.sealSeed(new Uint8Array(31), context)).toThrow(TypeError);
  });
});

describe('passphrase backup', () => {
  const passphrase = 'correct horse battery staple';
  let shared: { owner: Owner; backup: Uint8Array } | undefined;
  const made = async () => {
    const owner = newOwner();
    shared ??= { owner, backup: await createBackup({ owner, passphrase, random }) };
    return shared;
  };

  it('restores the owner, whatever Unicode form the passphrase is typed in', async () => {
    const owner = newOwner();
    const backup = await createBackup({ owner, passphrase: 'caf\u00e9 caf\u00e9 caf\u00e9', random });
    expect(await restoreBackup({ backup, passphrase: 'cafe\u0301 cafe\u0301 cafe\u0301' })).toEqual(owner);
  });

  it('holds no secret in the clear', async () => {
    const { owner, backup } = await made();
    const text = new TextDecoder().decode(backup);
    for (const secret of Object.values(owner.secrets) as Uint8Array[]) {
      expect(text).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20));
    }
  });

  it('refuses another passphrase and any altered part in the same way', async () => {
    const { backup } = await made();
    expect(await codeOf(() => restoreBackup({ backup, passphrase: `${passphrase} ` }))).toBe('SIGN_BACKUP_REFUSED');
    const altered = [
      withField(backup, (json) => (json.ownerId = 'Someone else')),
      withField(backup, (json) => ((json.kdf as { p: number }).p = 2)),
      withField(backup, (json) => {
        const box = Buffer.from(json.box as string, 'base64');
        box[5] ^= 1;
        json.box = box.toString('base64');
      }),
    ];
    for (const one of altered) {
      expect(await codeOf(() => restoreBackup({ backup: one, passphrase }))).toBe('SIGN_BACKUP_REFUSED');
    }
  });

  it('refuses costs outside the accepted range before deriving anything', async () => {
    const { backup } = await made();
    const costs: Record<string, unknown>[] = [
      { logN: 13 },
      { logN: 20 },
      { logN: 40 },
      { p: 0 },
      { p: 5 },
      { r: 1e9 },
      { name: 'pbkdf2' },
    ];
    for (const cost of costs) {
      const file = withField(backup, (json) => (json.kdf = { ...(json.kdf as object), ...cost }));
      expect(await codeOf(() => restoreBackup({ backup: file, passphrase }))).toBe('SIGN_BACKUP_MALFORMED');
    }
    const short = withField(backup, (json) => (json.box = 'AAAA'));
    expect(await codeOf(() => restoreBackup({ backup: short, passphrase }))).toBe('SIGN_BACKUP_MALFORMED');
  });

  it('asks for twelve characters, counted as a reader would', async () => {
    const owner = newOwner();
    for (const weak of ['', 'elevenchars', '\u{1f512}'.repeat(11)]) {
      expect(await codeOf(() => createBackup({ owner, passphrase: weak, random }))).toBe('SIGN_PASSPHRASE_SHORT');
    }
  });

  it('never takes other bytes for a backup', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (backup) => {
        expect(await codeOf(() => restoreBackup({ backup, passphrase }))).toBe('SIGN_BACKUP_MALFORMED');
      }),
      { numRuns: 50 },
    );
  });
});
