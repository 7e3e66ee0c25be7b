/** Passphrase backup of an owner: scrypt (RFC 7914), then AES-256-GCM over the owner file (docs/spec/owner-keys.md 4). */
import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto';
import { z } from 'zod';
import { concatBytes, toBase64, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { SignError } from '../core/errors.ts';
import { SIGN_LIMITS } from '../core/limits/sign.ts';
import type { Random } from '../core/ports.ts';
import { base64Field, parseDocument } from './json.ts';
import { decodeOwner, encodeOwner, type Owner } from './owner.ts';

const TAG_BYTES = 16;

/** What is authenticated besides the box: everything else in the file. */
interface BackupHeader {
  readonly v: 1;
  readonly kind: 'modelward-owner-backup';
  readonly ownerId: string;
  readonly kdf: {
    readonly name: 'scrypt';
    readonly logN: number;
    readonly r: 8;
    readonly p: number;
    readonly salt: string;
  };
  readonly cipher: 'aes-256-gcm';
}

const backupSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-owner-backup'),
  ownerId: z.string().max(SIGN_LIMITS.ownerIdCharsMax),
  kdf: z.strictObject({
    name: z.literal('scrypt'),
    // Bounded before use: the memory of scrypt is 128 * r * 2^logN bytes, chosen by whoever wrote the file.
    logN: z.int().min(SIGN_LIMITS.scryptLogNMin).max(SIGN_LIMITS.scryptLogNMax),
    r: z.literal(8),
    p: z.int().min(1).max(SIGN_LIMITS.scryptParallelMax),
    salt: base64Field(32).transform(toBase64),
  }),
  cipher: z.literal('aes-256-gcm'),
  box: base64Field(),
});

/** Key (32 bytes) and nonce (12 bytes); the 256-bit salt is fresh per backup, so the pair never repeats. */
function deriveBackupKey(passphrase: string, kdf: BackupHeader['kdf']): Promise<Uint8Array> {
  const cost = { N: 2 ** kdf.logN, r: kdf.r, p: kdf.p, maxmem: 128 * kdf.r * (2 ** kdf.logN + kdf.p + 2) };
  // NFC as RFC 8265 4.2.2 asks of passwords, so that the same keys typed on another system give the same bytes.
  const secret = utf8(passphrase.normalize('NFC'));
  return new Promise((resolve, reject) => {
    scrypt(secret, Buffer.from(kdf.salt, 'base64'), 44, cost, (error, key) => {
      zeroize(secret);
      if (error) reject(error);
      else resolve(key);
    });
  });
}

/**
 * Encrypts an owner under a passphrase. Takes about half a second and 128 MiB (scrypt N = 2^17, r = 8, p = 1).
 * @returns UTF-8 JSON of the backup file
 * @throws SignError SIGN_PASSPHRASE_SHORT
 */
export async function createBackup(options: {
  readonly owner: Owner;
  readonly passphrase: string;
  readonly random: Random;
}): Promise<Uint8Array> {
  const length = Array.from(options.passphrase.normalize('NFC')).length;
  if (length < SIGN_LIMITS.passphraseCharsMin) {
    throw new SignError('SIGN_PASSPHRASE_SHORT', { fields: { charsMin: SIGN_LIMITS.passphraseCharsMin } });
  }
  const salt = new Uint8Array(32);
  options.random.fill(salt);
  const header: BackupHeader = {
    v: 1,
    kind: 'modelward-owner-backup',
    ownerId: options.owner.identity.ownerId,
    kdf: { name: 'scrypt', logN: 17, r: 8, p: 1, salt: toBase64(salt) },
    cipher: 'aes-256-gcm',
  };
  const key = await deriveBackupKey(options.passphrase, header.kdf);
  const plain = encodeOwner(options.owner);
  try {
    const cipher = createCipheriv('aes-256-gcm', key.subarray(0, 32), key.subarray(32));
    cipher.setAAD(toCanonicalJsonBytes({ ...header }));
    const sealed = cipher.update(plain);
    cipher.final();
    return toCanonicalJsonBytes({ ...header, box: toBase64(concatBytes(sealed, cipher.getAuthTag())) });
  } finally {
    zeroize(key, plain);
  }
}

/**
 * Opens a backup made by {@link createBackup}.
 * @param options.backup the file's bytes
 * @throws SignError SIGN_BACKUP_MALFORMED | SIGN_BACKUP_REFUSED
 */
export async function restoreBackup(options: {
  readonly backup: Uint8Array;
  readonly passphrase: string;
}): Promise<Owner> {
  const { box, ...header } = parseDocument(backupSchema, options.backup, {
    code: 'SIGN_BACKUP_MALFORMED',
    bytesMax: SIGN_LIMITS.ownerFileBytesMax,
  });
  if (box.length <= TAG_BYTES) throw new SignError('SIGN_BACKUP_MALFORMED', { fields: { at: 'box' } });
  const key = await deriveBackupKey(options.passphrase, header.kdf);
  let plain: Uint8Array | undefined;
  try {
    const cipher = createDecipheriv('aes-256-gcm', key.subarray(0, 32), key.subarray(32), { authTagLength: TAG_BYTES });
    cipher.setAAD(toCanonicalJsonBytes(header));
    cipher.setAuthTag(box.subarray(box.length - TAG_BYTES));
    plain = cipher.update(box.subarray(0, box.length - TAG_BYTES));
    try {
      cipher.final();
    } catch {
      throw new SignError('SIGN_BACKUP_REFUSED');
    }
    return decodeOwner(plain);
  } finally {
    zeroize(key);
    if (plain !== undefined) zeroize(plain);
  }
}
