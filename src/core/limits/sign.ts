/** Caps on untrusted signatures, owner files, backups and timestamps, each with its reason. */

export const SIGN_LIMITS = {
  /** A DSSE envelope holds a whole baseline: its payload may take the JSON cap, base64 adds a third. */
  envelopeBytesMax: 96 * 1024 * 1024,
  /** One owner signs; a few more signatures allow co-signing and key change. */
  signaturesMax: 16,
  /** A DER ECDSA P-256 signature is at most 72 bytes. */
  signatureBytesMax: 72,
  /** An owner file is below 2 KiB. */
  ownerFileBytesMax: 16 * 1024,
  ownerIdCharsMax: 128,
  /** NIST SP 800-63B-4 asks 15 for a lone password in an online service; 12 with scrypt 2^17 is the floor here. */
  passphraseCharsMin: 12,
  /** RFC 7914 cost range accepted when reading: 16 MiB to 512 MiB of memory at r = 8. */
  scryptLogNMin: 14,
  scryptLogNMax: 19,
  scryptParallelMax: 4,
  /** Tokens with a whole chain are 3-8 KiB; 64 KiB leaves room for large RSA chains. */
  timestampBytesMax: 64 * 1024,
  /** Certificates in one token, and the longest path to a root. */
  timestampCertificatesMax: 16,
  /** How long an authority may take to answer. */
  timestampTimeoutMs: 20_000,
} as const;
