/** Authenticity of a Nitro attestation document: the signer under AWS's root at the given time, and its signature. */
import { createHash, verify as verifySignature } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import type { NitroClaims } from '../claims.ts';
import { type Certificate, readCertificate } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { type NitroDocument, readNitroDocument } from './document.ts';
import { pinnedNitroRoot } from './root.ts';

export interface NitroEvidence {
  readonly kind: 'nitro';
  readonly document: Uint8Array;
}

export interface VerifyNitroOptions {
  readonly nowMs: number;
  /** Root to believe; AWS's (G1) by default. */
  readonly root?: Certificate;
}

/**
 * The signer's certificate lives three hours: evidence is to be verified at once, or for the time that it is of.
 * @throws AttestError ATTEST_EVIDENCE_MALFORMED | ATTEST_CERTIFICATE_MALFORMED | ATTEST_SIGNATURE_INVALID and those of
 *   `verifyChain`
 * @see AWS Nitro Enclaves, "Verifying the root of trust"
 */
export function verifyNitro(evidence: NitroEvidence, options: VerifyNitroOptions): NitroClaims {
  const { nowMs, root = pinnedNitroRoot() } = options;
  const document = readNitroDocument(evidence.document);
  const signer = readCertificate(document.certificate);
  // The bundle has the root first; the path is wanted from the signer up.
  const chain = [signer, ...document.bundle.map(readCertificate).toReversed()];
  const verified = verifyChain({ chain, roots: [root], nowMs });
  assertSignature(document, signer);
  return {
    ...toClaims(document),
    verifiedForMs: nowMs,
    evidenceDigestHex: createHash('sha256').update(evidence.document).digest('hex'),
    isRevocationChecked: verified.isRevocationChecked,
    rootFingerprintHex: verified.root.fingerprintHex,
    validUntilMs: verified.notAfterMs,
  };
}

function assertSignature({ signed, signature }: NitroDocument, { publicKey }: Certificate): void {
  const isP384 = publicKey.asymmetricKeyDetails?.namedCurve === 'secp384r1';
  const holds = isP384 && verifySignature('sha384', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
  if (!holds) throw new AttestError('ATTEST_SIGNATURE_INVALID', { fields: { at: 'document' } });
}

function toClaims(document: NitroDocument) {
  const { pcrs, moduleId, timestampMs } = document;
  const toHexOf = (bytes: Uint8Array | null): string => (bytes === null ? '' : toHex(bytes));
  return {
    kind: 'nitro' as const,
    ...{ moduleId, timestampMs },
    measurements: Object.fromEntries([...pcrs].map(([number, bytes]) => [String(number), toHex(bytes)])),
    // Enclaves that were started with --debug-mode have PCRs of zeros.
    isDebug: pcrs.get(0)?.every((byte) => byte === 0) ?? true,
    reportDataHex: toHexOf(document.userData),
    nonceHex: toHexOf(document.nonce),
    publicKeyHex: toHexOf(document.publicKey),
  };
}
