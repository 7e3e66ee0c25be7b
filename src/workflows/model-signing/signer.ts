/** Who signs a model: the owner of the home, or a key in a file; with certificates and a timestamp when asked for. */
import { concatBytes } from '../../core/bytes.ts';
import { encodeDer, TAG } from '../../core/der.ts';
import { sha256 } from '../../core/hash.ts';
import { openPemSigner, parseSignerCertificates, type StatementSigner } from '../../model-signing/index.ts';
import type { ModelSigner } from '../../model-signing/ports.ts';
import { ownerSigner, requestTimestamp } from '../../sign/index.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';

export interface SignerOptions {
  /** A private key in PEM and its passphrase, which the caller zeroizes; a key of a token; null for the owner of the home. */
  readonly key: { readonly pem: Uint8Array; readonly passphrase: Uint8Array | null } | ModelSigner | null;
  /** Absolute paths of PEM files, the signing certificate first; none for a signature that is verified by its key. */
  readonly certificatePaths: readonly string[];
  /** Address of an RFC 3161 authority that attests the time of signing; null for none. */
  readonly tsaUrl: string | null;
}

/** @throws ModelSigningError for key and certificates; SourceError for their files */
export function openSigner(services: Services, session: Session, options: SignerOptions): StatementSigner {
  const { key, certificatePaths, tsaUrl } = options;
  const signer = key === null ? ownerSigner(session.owner) : 'sign' in key ? key : openPemSigner(key);
  const pems = certificatePaths.map((path) => Buffer.from(services.storage.read(path)).toString('utf8'));
  const certificates = pems.length === 0 ? [] : parseSignerCertificates(pems, signer);
  return { signer, certificates, stamp: tsaUrl === null ? null : (signature) => stamp(services, tsaUrl, signature) };
}

/** A bundle keeps the authority's whole answer: status 0 (granted), then the token (RFC 3161 2.4.2). */
async function stamp(services: Services, url: string, signature: Uint8Array): Promise<Uint8Array> {
  const digest = sha256(signature);
  const { random } = services;
  const authority = services.openTsa(url);
  const { token } = await requestTimestamp({ authority, digest, random, roots: null });
  const granted = encodeDer(TAG.sequence, encodeDer(TAG.integer, Uint8Array.of(0)));
  return encodeDer(TAG.sequence, concatBytes(granted, token));
}
