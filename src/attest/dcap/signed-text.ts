/** A text of Intel's: who signed it, that nobody revoked the signer, and that it is current. */
import { type KeyObject, verify as verifySignature } from 'node:crypto';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { type Certificate, readPemChain } from '../x509/certificate.ts';
import { type VerifiedChain, verifyChain } from '../x509/chain.ts';
import type { Crl } from '../x509/crl.ts';
import type { SignedText } from './collateral.ts';
import { hasPckPlatform } from './pck.ts';

export interface TrustContext {
  readonly nowMs: number;
  readonly roots: readonly Certificate[];
  readonly crls: readonly Crl[];
}

const TCB_SIGNER = 'Intel SGX TCB Signing';

/**
 * The text, when it is signed by Intel's signer of TCB documents, under the root and not revoked.
 * @throws AttestError ATTEST_COLLATERAL_MISMATCH | ATTEST_CERTIFICATE_ROLE | ATTEST_SIGNATURE_INVALID and those of `verifyChain`
 */
export function verifySignedText({ text, signature, chainPem }: SignedText, at: string, context: TrustContext): string {
  const certificates = readPemChain(chainPem);
  const chain = verifyChain({ chain: certificates, ...context });
  assertRevocationChecked(chain, 'root_ca_crl');
  const [signer] = certificates;
  // A PCK key is under the same root; it speaks for one platform, not for Intel.
  if (signer.commonName !== TCB_SIGNER || hasPckPlatform(signer)) {
    throw new AttestError('ATTEST_CERTIFICATE_ROLE', { fields: { at, subject: signer.commonName.slice(0, 100) } });
  }
  assertP256(signer.publicKey, Buffer.from(text, 'utf8'), signature, at);
  return text;
}

/** @throws AttestError ATTEST_COLLATERAL_EXPIRED | ATTEST_COLLATERAL_EARLY */
export function assertCurrent(
  { issueDate, nextUpdate }: { readonly issueDate: number; readonly nextUpdate: number },
  at: string,
  nowMs: number,
): void {
  const fields = { at, issuedMs: issueDate, nextUpdateMs: nextUpdate };
  if (nowMs > nextUpdate) throw new AttestError('ATTEST_COLLATERAL_EXPIRED', { fields });
  if (nowMs + ATTEST_LIMITS.clockSkewMs < issueDate) throw new AttestError('ATTEST_COLLATERAL_EARLY', { fields });
}

/** @throws AttestError ATTEST_COLLATERAL_MISMATCH */
export function assertRevocationChecked(chain: VerifiedChain, at: string): void {
  if (!chain.isRevocationChecked) throw new AttestError('ATTEST_COLLATERAL_MISMATCH', { fields: { at } });
}

/** @throws AttestError ATTEST_SIGNATURE_INVALID */
export function assertP256(key: KeyObject, signed: Uint8Array, signature: Uint8Array, at: string): void {
  const isP256 = key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  const holds =
    isP256 &&
    signature.length === 64 &&
    verifySignature('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
  if (!holds) throw new AttestError('ATTEST_SIGNATURE_INVALID', { fields: { at } });
}
