/** What AMD hands out for a report, by itself: signed under the pinned root, current, and of this processor and TCB. */
import { AttestError } from '../../core/errors.ts';
import { type Certificate, readCertificate } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { readCrl, verifyCrl } from '../x509/crl.ts';
import { readSnpKeyCertificate } from './certificate.ts';
import { pinnedSnpTrust } from './pinned.ts';
import { readSnpReport } from './report.ts';
import { assertKeyOfReport, findKey, type VerifySnpOptions } from './verify.ts';

export interface SnpCollateral {
  readonly report: Uint8Array;
  /** DER: among them the VCEK or VLEK. */
  readonly certificates: readonly Uint8Array[];
  /** The authorities that came along. */
  readonly chain: readonly Certificate[];
  /** DER. */
  readonly crl: Uint8Array;
}

/**
 * @throws AttestError ATTEST_CERTIFICATE_* | ATTEST_CHAIN_BROKEN | ATTEST_ROOT_UNTRUSTED | ATTEST_CRL_* and those of a certificate
 *   that is of another processor, TCB or kind of key
 */
export function verifySnpCollateral(
  { report: reportBytes, certificates, chain, crl: crlBytes }: SnpCollateral,
  { nowMs, trust = pinnedSnpTrust() }: VerifySnpOptions,
): { readonly validUntilMs: number } {
  const report = readSnpReport(reportBytes);
  const found = findKey([...certificates.map(readCertificate), ...chain], trust);
  const { key, issuer, product, root } = found;
  const { notAfterMs } = verifyChain({ chain: [key, issuer], roots: [root], nowMs });
  assertKeyOfReport(report, readSnpKeyCertificate(key, product), found);
  for (const authority of chain) assertOfRoot(authority, root);
  const crl = readCrl(crlBytes);
  verifyCrl(crl, root, nowMs);
  return { validUntilMs: Math.min(notAfterMs, crl.nextUpdateMs) };
}

/** The root itself, under the key that is pinned, or an authority that it signed. */
function assertOfRoot(authority: Certificate, root: Certificate): void {
  if (authority.isAuthority && authority.isSignedBy(root.publicKey)) return;
  throw new AttestError('ATTEST_ROOT_UNTRUSTED', { fields: { subject: authority.commonName.slice(0, 100) } });
}
