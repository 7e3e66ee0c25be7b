/** Verifies who signed a statement, before anything in it is looked at (OMS v1.0 section 8.2). */
import { ModelSigningError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { IN_TOTO_TYPE, parseTimestampResponse, toPae, verifyTimestamp } from '../sign/index.ts';
import { type Bundle, decodeBundle } from './bundle.ts';
import { type Certificate, parseCertificate, parseCertificates } from './certificate.ts';
import { toName, verifyChain } from './chain.ts';
import { isSignature, parsePublicKey, type SigningKey } from './keys.ts';
import type { SigstoreVerifier } from './ports.ts';

/** What the verifier believes; nothing is believed by default. */
export type Trust =
  /** One public key, SPKI PEM. */
  | { readonly kind: 'key'; readonly publicKeyPem: string }
  | {
      readonly kind: 'certificate';
      /** PEM texts: self-issued certificates in them are roots. */
      readonly certificates: readonly string[];
      /** When the model was signed, milliseconds since 1970. */
      readonly atMs: number;
      /** PEM of roots of timestamp authorities; then a timestamp in the bundle decides the time, and one must be there. */
      readonly timestampRoots: readonly string[] | null;
    }
  | {
      readonly kind: 'sigstore';
      readonly verifier: SigstoreVerifier;
      /** Exactly what the certificate must name; no pattern. */
      readonly identity: string;
      readonly issuer: string;
    };

export interface VerifiedStatement {
  readonly method: Trust['kind'];
  /** Who signed, for people: key hint, certificate subject or keyless identity. */
  readonly signer: string;
  /** P-256, P-384 or P-521; null for keyless signatures. */
  readonly curve: string | null;
  /** The time that certificates were judged at, RFC 3339; null where none was needed. */
  readonly judgedAt: string | null;
  /** True when a timestamp of a believed authority gave that time. */
  readonly isTimestamped: boolean;
  /** The in-toto statement. */
  readonly payload: Uint8Array;
}

/**
 * Verifies a bundle.
 * @param bytes the .sig file
 * @throws ModelSigningError, those of {@link decodeBundle} and {@link verifyChain}, and OMS_METHOD_MISMATCH |
 *   OMS_PAYLOAD_TYPE | OMS_OTHER_KEY | OMS_SIGNATURE_INVALID | OMS_IDENTITY_MISMATCH | OMS_SIGSTORE_REFUSED |
 *   OMS_TIMESTAMP_MISSING;
 *   SignError SIGN_TIMESTAMP_… for a timestamp that does not hold
 */
export function verifyStatement(bytes: Uint8Array, trust: Trust): VerifiedStatement {
  const bundle = decodeBundle(bytes);
  if (bundle.material.kind !== trust.kind) {
    const fields = { expected: trust.kind, actual: bundle.material.kind };
    throw new ModelSigningError('OMS_METHOD_MISMATCH', { fields });
  }
  if (bundle.payloadType !== IN_TOTO_TYPE) {
    throw new ModelSigningError('OMS_PAYLOAD_TYPE', { fields: { actual: bundle.payloadType } });
  }
  if (trust.kind === 'sigstore') return verifySigstore(bytes, bundle, trust);
  if (trust.kind === 'certificate') return verifyCertificate(bundle, trust);
  return verifyKey(bundle, trust.publicKeyPem);
}

function verifyKey(bundle: Bundle, publicKeyPem: string): VerifiedStatement {
  const key = parsePublicKey(publicKeyPem);
  assertSigned(bundle, key, () => claimsOther(bundle, key));
  return {
    method: 'key',
    signer: key.hint,
    curve: key.curve,
    judgedAt: null,
    isTimestamped: false,
    payload: bundle.payload,
  };
}

/** What a bundle says of its key chooses the words of a refusal, never what is accepted. */
function claimsOther({ material }: Bundle, key: SigningKey): boolean {
  if (material.kind !== 'key') return false;
  if (material.hint !== null) return material.hint.toLowerCase() !== key.hint;
  return material.pem !== null && parsePublicKey(Buffer.from(material.pem).toString('utf8')).hint !== key.hint;
}

function assertSigned({ payload, signature }: Bundle, key: SigningKey, isOtherKey: () => boolean): void {
  if (isSignature(key, toPae(IN_TOTO_TYPE, payload), signature)) return;
  throw new ModelSigningError(isOtherKey() ? 'OMS_OTHER_KEY' : 'OMS_SIGNATURE_INVALID', {
    fields: { expected: key.hint },
  });
}

function verifyCertificate(bundle: Bundle, trust: Extract<Trust, { kind: 'certificate' }>): VerifiedStatement {
  const { material } = bundle;
  if (material.kind !== 'certificate') throw new TypeError('internal error: no certificates');
  const presented = material.certificates.map(parseCertificate);
  const given: Certificate[] = parseCertificates(trust.certificates);
  const stampedMs = trust.timestampRoots === null ? null : toStampedMs(bundle, trust.timestampRoots);
  const atMs = stampedMs ?? trust.atMs;
  const key = verifyChain({ presented, given, atMs });
  assertSigned(bundle, key, () => false);
  return {
    method: 'certificate',
    signer: toName(presented[0]),
    curve: key.curve,
    judgedAt: new Date(atMs).toISOString(),
    isTimestamped: stampedMs !== null,
    payload: bundle.payload,
  };
}

/** The earliest time that a believed authority saw the signature. */
function toStampedMs({ timestamps, signature }: Bundle, roots: readonly string[]): number {
  // Anyone can take a timestamp out of a bundle; without one the time would be what its holder likes.
  if (timestamps.length === 0)
    throw new ModelSigningError('OMS_TIMESTAMP_MISSING', { fields: { roots: roots.length } });
  const digest = sha256(signature);
  const times = timestamps.map((answer) => {
    const token = parseTimestampResponse(answer);
    return verifyTimestamp({ token, digest, roots }).info.genTimeMs;
  });
  return Math.min(...times);
}

function verifySigstore(
  bytes: Uint8Array,
  bundle: Bundle,
  trust: Extract<Trust, { kind: 'sigstore' }>,
): VerifiedStatement {
  const actual = trust.verifier.verify(bytes);
  if (actual.identity !== trust.identity || actual.issuer !== trust.issuer) {
    throw new ModelSigningError('OMS_IDENTITY_MISMATCH', {
      fields: { identity: actual.identity.slice(0, 300), issuer: actual.issuer.slice(0, 300) },
    });
  }
  const signer = `${actual.identity} (${actual.issuer})`;
  return { method: 'sigstore', signer, curve: null, judgedAt: null, isTimestamped: false, payload: bundle.payload };
}
