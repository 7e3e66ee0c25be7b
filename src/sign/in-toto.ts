/**
 * in-toto statements (Statement v1), and the Sigstore bundles (v0.3) that signed ones travel in: the common form of model
 * signatures, provenance and baselines.
 * @see https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
 */
import { toBase64, utf8 } from '../core/bytes.ts';
import { type Json, toCanonicalJsonBytes } from '../core/canonical-json.ts';

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const IN_TOTO_TYPE = 'application/vnd.in-toto+json';
export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** What a statement is about: a name for people, and the digest of the model's manifest. */
export interface Subject {
  readonly name: string;
  /** SHA-256, hex. */
  readonly digest: string;
}

/** Anything said about a model, as UTF-8 bytes to be signed. */
export function encodeStatement(options: {
  readonly subject: Subject;
  readonly predicateType: string;
  readonly predicate: Json;
}): Uint8Array {
  const { subject, predicateType, predicate } = options;
  return toCanonicalJsonBytes({
    _type: STATEMENT_TYPE,
    subject: [{ name: subject.name, digest: { sha256: subject.digest } }],
    predicateType,
    predicate,
  });
}

/** UTF-8 JSON of a bundle over an in-toto statement, with a final newline. */
export function encodeBundle(parts: {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** Hint of a public key, or DER certificates with the signer's first. */
  readonly material: { readonly hint: string } | { readonly certificates: readonly Uint8Array[] };
  /** RFC 3161 answers, DER. */
  readonly timestamps: readonly Uint8Array[];
  /** Hint of DSSE; empty unless given, as model signatures have it. */
  readonly keyId?: string;
}): Uint8Array {
  const { payload, signature, material, timestamps, keyId = '' } = parts;
  const shown =
    'hint' in material
      ? { publicKey: { hint: material.hint } }
      : {
          x509CertificateChain: {
            certificates: material.certificates.map((der) => ({ rawBytes: toBase64(der) })),
          },
        };
  const stamped = { rfc3161Timestamps: timestamps.map((der) => ({ signedTimestamp: toBase64(der) })) };
  const bundle = {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: {
      ...shown,
      tlogEntries: [],
      ...(timestamps.length === 0 ? {} : { timestampVerificationData: stamped }),
    },
    dsseEnvelope: {
      payload: toBase64(payload),
      payloadType: IN_TOTO_TYPE,
      signatures: [{ sig: toBase64(signature), keyid: keyId }],
    },
  };
  return utf8(`${JSON.stringify(bundle)}\n`);
}
