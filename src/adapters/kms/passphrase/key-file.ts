/** The file of a passphrase key: KEKs in boxes, and how the passphrase opens them. Nothing in it is of use without. */
import { z } from 'zod';
import { findBase64Bytes, toBase64, utf8 } from '../../../core/bytes.ts';
import { toCanonicalJson } from '../../../core/canonical-json.ts';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import { SIGN_LIMITS } from '../../../core/limits/sign.ts';
import { IV_BYTES, KEK_BYTES, TAG_BYTES } from '../kek.ts';
import type { Ring, RingVersion } from '../keyring.ts';

export const SALT_BYTES = 32;

/** Cost and salt of scrypt (RFC 7914); r is 8. */
export interface Kdf {
  readonly name: 'scrypt';
  readonly logN: number;
  readonly r: 8;
  readonly p: number;
  readonly salt: Uint8Array;
}

export interface PassphraseVersion extends RingVersion {
  /** IV(12) ‖ AES-256-GCM(key of the passphrase, KEK)(32) ‖ tag(16). */
  readonly box: Uint8Array;
}

export interface PassphraseRing extends Ring<PassphraseVersion> {
  readonly kdf: Kdf;
}

const versionSchema = z.strictObject({
  version: z.int().min(1),
  createdAt: z.iso.datetime({ precision: 3 }),
  box: toBytesSchema(IV_BYTES + KEK_BYTES + TAG_BYTES),
});

const fileSchema = z.strictObject({
  v: z.literal(1),
  type: z.literal('modelward-passphrase-key'),
  keyId: z.string().regex(/^[0-9a-f]{32}$/),
  kdf: z.strictObject({
    name: z.literal('scrypt'),
    // Bounded before use: the memory of scrypt is 128 * r * 2^logN bytes, chosen by whoever wrote the file.
    logN: z.int().min(SIGN_LIMITS.scryptLogNMin).max(SIGN_LIMITS.scryptLogNMax),
    r: z.literal(8),
    p: z.int().min(1).max(SIGN_LIMITS.scryptParallelMax),
    salt: toBytesSchema(SALT_BYTES),
  }),
  versions: z.array(versionSchema).min(1).max(SEAL_LIMITS.keyVersionsMax),
});

export function encodePassphraseFile({ keyId, kdf, versions }: PassphraseRing): Uint8Array {
  const boxes = versions.map(({ version, createdAt, box }) => ({ version, createdAt, box: toBase64(box) }));
  const file = {
    v: 1,
    type: 'modelward-passphrase-key',
    keyId,
    kdf: { ...kdf, salt: toBase64(kdf.salt) },
    versions: boxes,
  };
  return utf8(`${toCanonicalJson(file)}\n`);
}

/** @throws SealError KEY_STORE_INVALID, for costs outside the accepted range too */
export function parsePassphraseFile(bytes: Uint8Array): PassphraseRing {
  try {
    const { keyId, kdf, versions } = fileSchema.parse(
      JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)),
    );
    const isAscending = versions.every(({ version }, at) => at === 0 || version > versions[at - 1].version);
    if (isAscending) return { keyId, kdf, versions };
  } catch {
    // No cause: JSON.parse quotes its input.
  }
  throw new SealError('KEY_STORE_INVALID');
}

function toBytesSchema(lengthBytes: number): z.ZodType<Uint8Array> {
  return z
    .string()
    .max(4 * lengthBytes)
    .transform((text) => findBase64Bytes(text))
    .refine((bytes) => bytes?.length === lengthBytes)
    .transform((bytes) => bytes ?? new Uint8Array());
}
