/** The owner identity: one P-256 signing key, one Ed25519 ledger seed, one sealing key (docs/spec/owner-keys.md 1-2). */
import { z } from 'zod';
import { allocSecret, toBase64, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { ModelwardError, SignError } from '../core/errors.ts';
import { hkdfSha256 } from '../core/hash.ts';
import { SIGN_LIMITS } from '../core/limits/sign.ts';
import type { Clock, Random } from '../core/ports.ts';
import { base64Field, instantField, parseDocument } from './json.ts';
import { createP256Pkcs8, p256Signer, parseP256PublicKey, toPublicOfPkcs8 } from './p256.ts';
import type { MessageSigner } from './ports.ts';

/** What an owner publishes. */
export interface OwnerIdentity {
  readonly v: 1;
  readonly ownerId: string;
  /** P-256 public key, SPKI PEM. */
  readonly signKey: string;
  /** Key name of the owner's ledger checkpoints (C2SP signed-note: no spaces, no plus). */
  readonly ledgerVkeyName: string;
  /** RFC 3339 UTC, milliseconds. */
  readonly createdAt: string;
}

/** What an owner never shows. Zeroize with {@link zeroizeOwner} after use. */
export interface OwnerSecrets {
  /** P-256 private key, DER PKCS#8. */
  readonly signKeyPkcs8: Uint8Array;
  /** Ed25519 seed of the ledger signer, 32 bytes (RFC 8032 5.1.5). */
  readonly ledgerSeed: Uint8Array;
  /** Seals seeds of claims, 32 bytes; it never opens weights. */
  readonly sealKey: Uint8Array;
}

export interface Owner {
  readonly identity: OwnerIdentity;
  readonly secrets: OwnerSecrets;
}

// No control or format characters (bidi overrides): the name is shown in reports and in other people's terminals.
const ownerIdField = z
  .string()
  .min(1)
  .max(SIGN_LIMITS.ownerIdCharsMax)
  .refine((text) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text) && text.trim() === text);

const identitySchema = z.strictObject({
  v: z.literal(1),
  ownerId: ownerIdField,
  signKey: z.string().max(1024),
  ledgerVkeyName: z.string().regex(/^[\x21-\x2a\x2c-\x7e]{1,128}$/),
  createdAt: instantField,
});

const ownerSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-owner-secrets'),
  identity: identitySchema,
  signKey: base64Field(),
  ledgerSeed: base64Field(32),
  sealKey: base64Field(32),
});

/**
 * Makes a new owner: three independent keys.
 * @param options.ownerId what reports call the owner: 1..128 characters, no control characters
 * @throws TypeError when ownerId is not of that form
 */
export function createOwner(options: {
  readonly ownerId: string;
  readonly random: Random;
  readonly clock: Clock;
}): Owner {
  if (!ownerIdField.safeParse(options.ownerId).success) {
    throw new TypeError('ownerId must be 1 to 128 printable characters without outer spaces');
  }
  const secrets = { signKeyPkcs8: createP256Pkcs8(), ledgerSeed: allocSecret(32), sealKey: allocSecret(32) };
  options.random.fill(secrets.ledgerSeed);
  options.random.fill(secrets.sealKey);
  const publicKey = toPublicOfPkcs8(secrets.signKeyPkcs8);
  const identity: OwnerIdentity = {
    v: 1,
    ownerId: options.ownerId,
    signKey: publicKey.pem,
    ledgerVkeyName: `modelward/${publicKey.keyId.slice(0, 16)}`,
    createdAt: new Date(options.clock.nowMs()).toISOString(),
  };
  return { identity, secrets };
}

/**
 * The same owner with a log of another name and another key: two homes that work at the same time would else write two
 * histories under one key, which is what a forger of histories does.
 * @param log 1 to 32 lower-case letters, digits and "-"
 * @returns secrets in memory of their own; the caller zeroizes both
 * @throws SignError SIGN_OWNER_MALFORMED for another name
 */
export function withOwnLog({ identity, secrets }: Owner, log: string): Owner {
  if (!/^[a-z0-9-]{1,32}$/.test(log)) throw new SignError('SIGN_OWNER_MALFORMED', { fields: { member: 'log' } });
  return {
    identity: { ...identity, ledgerVkeyName: `${identity.ledgerVkeyName}/${log}` },
    secrets: {
      signKeyPkcs8: Uint8Array.from(secrets.signKeyPkcs8),
      sealKey: Uint8Array.from(secrets.sealKey),
      ledgerSeed: hkdfSha256(secrets.ledgerSeed, new Uint8Array(), `modelward/ledger/v1/log/${log}`, 32),
    },
  };
}

/** The owner's signer; its key stays in this process. */
export function ownerSigner(owner: Owner): MessageSigner {
  return p256Signer(owner.secrets.signKeyPkcs8);
}

/** Overwrites the secret parts in place. */
export function zeroizeOwner(owner: Owner): void {
  zeroize(owner.secrets.signKeyPkcs8, owner.secrets.ledgerSeed, owner.secrets.sealKey);
}

/** UTF-8 JSON of the public part, RFC 8785 and a final newline. */
export function encodeOwnerIdentity(identity: OwnerIdentity): Uint8Array {
  return utf8(`${new TextDecoder().decode(toCanonicalJsonBytes({ ...identity }))}\n`);
}

/** @throws SignError SIGN_OWNER_MALFORMED | SIGN_KEY_INVALID */
export function decodeOwnerIdentity(bytes: Uint8Array): OwnerIdentity {
  const identity = parseDocument(identitySchema, bytes, {
    code: 'SIGN_OWNER_MALFORMED',
    bytesMax: SIGN_LIMITS.ownerFileBytesMax,
  });
  parseP256PublicKey(identity.signKey);
  return identity;
}

/**
 * The public key in what an owner hands out: PEM, alone or inside other text; an identity file; or what
 * `modelward keys show` prints, as text or as JSON.
 * @param bytes UTF-8
 * @returns P-256 SPKI PEM
 * @throws SignError SIGN_SIGNER_MALFORMED, also for two keys, of which none is "the" signer's; SIGN_KEY_INVALID
 */
export function decodeSignerKey(bytes: Uint8Array): string {
  if (bytes.length > SIGN_LIMITS.ownerFileBytesMax) throw new SignError('SIGN_SIGNER_MALFORMED');
  // In JSON the line ends of a PEM are spelled out.
  const text = Buffer.from(bytes).toString('utf8').replaceAll('\\n', '\n');
  const keys = text.match(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g) ?? [];
  if (keys.length !== 1) throw new SignError('SIGN_SIGNER_MALFORMED');
  return parseP256PublicKey(`${keys[0]}\n`).pem;
}

/** UTF-8 JSON of identity and secrets; the caller writes it with mode 0600 and zeroizes the bytes. */
export function encodeOwner(owner: Owner): Uint8Array {
  return toCanonicalJsonBytes({
    v: 1,
    kind: 'modelward-owner-secrets',
    identity: { ...owner.identity },
    signKey: toBase64(owner.secrets.signKeyPkcs8),
    ledgerSeed: toBase64(owner.secrets.ledgerSeed),
    sealKey: toBase64(owner.secrets.sealKey),
  });
}

/**
 * Reads what {@link encodeOwner} wrote and checks that the signing key belongs to the identity.
 * @throws SignError SIGN_OWNER_MALFORMED | SIGN_OWNER_MISMATCH
 */
export function decodeOwner(bytes: Uint8Array): Owner {
  const options = { code: 'SIGN_OWNER_MALFORMED', bytesMax: SIGN_LIMITS.ownerFileBytesMax } as const;
  const file = parseDocument(ownerSchema, bytes, options);
  const owner: Owner = {
    identity: file.identity,
    secrets: { signKeyPkcs8: file.signKey, ledgerSeed: file.ledgerSeed, sealKey: file.sealKey },
  };
  try {
    const expected = parseP256PublicKey(owner.identity.signKey).keyId;
    const actual = toPublicOfPkcs8(owner.secrets.signKeyPkcs8).keyId;
    if (expected !== actual) throw new SignError('SIGN_OWNER_MISMATCH', { fields: { expected, actual } });
  } catch (error) {
    zeroizeOwner(owner);
    if (error instanceof ModelwardError && error.code === 'SIGN_KEY_INVALID') {
      throw new SignError('SIGN_OWNER_MALFORMED', { fields: { at: 'signKey' } });
    }
    throw error;
  }
  return owner;
}
