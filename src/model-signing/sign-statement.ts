/** Signs statements about a model: the model signature itself, provenance, baselines; all as bundles of one form. */
import { ModelSigningError } from '../core/errors.ts';
import { encodeBundle, IN_TOTO_TYPE, toPae } from '../sign/index.ts';
import { type Certificate, parseCertificates } from './certificate.ts';
import { isSignature, parsePublicKey } from './keys.ts';
import type { ModelSigner } from './ports.ts';

/** A signer, and the certificates that vouch for its key; none for the key method. */
export interface StatementSigner {
  readonly signer: ModelSigner;
  /** The signer's first. */
  readonly certificates: readonly Certificate[];
  /** Asks for an RFC 3161 answer (DER) over the signature; null when no time is to be attested. */
  readonly stamp: ((signature: Uint8Array) => Promise<Uint8Array>) | null;
}

/**
 * Certificates for a signer: PEM texts, the signing certificate first.
 * @throws ModelSigningError OMS_CERTIFICATE_MALFORMED | OMS_CERTIFICATE_MISMATCH when the first is for another key
 */
export function parseSignerCertificates(pems: readonly string[], signer: ModelSigner): Certificate[] {
  const certificates = parseCertificates(pems);
  const own = parsePublicKey(signer.publicKeyPem);
  if (!certificates[0].publicKey.equals(own.key)) throw new ModelSigningError('OMS_CERTIFICATE_MISMATCH');
  return certificates;
}

/**
 * Signs a statement.
 * @param payload UTF-8 JSON, as `encodeStatement` gives it
 * @returns the bytes of the bundle file
 * @throws ModelSigningError OMS_KEY_UNSUPPORTED; OMS_SIGNATURE_INVALID when the signer returned something else
 */
export async function signStatement(payload: Uint8Array, by: StatementSigner): Promise<Uint8Array> {
  const { signer, certificates, stamp } = by;
  const key = parsePublicKey(signer.publicKeyPem);
  const message = toPae(IN_TOTO_TYPE, payload);
  const signature = await signer.sign(message);
  // A token or a service may answer with anything; a wrong signature must not leave.
  if (!isSignature(key, message, signature)) {
    throw new ModelSigningError('OMS_SIGNATURE_INVALID', { message: 'The signer returned no signature of its key.' });
  }
  const ders = certificates.map((one) => new Uint8Array(one.x509.raw));
  return encodeBundle({
    payload,
    signature,
    material: ders.length === 0 ? { hint: key.hint } : { certificates: ders },
    timestamps: stamp === null ? [] : [await stamp(signature)],
  });
}
