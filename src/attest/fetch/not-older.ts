/**
 * Collateral against what was kept before: a service that hands out what was signed earlier, all of it still valid, would bring
 * back a platform that is out of date, or a certificate that was revoked since.
 */
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { parseQeIdentity, parseTcbInfo } from '../dcap/signed-documents.ts';
import type { Collateral } from '../evidence/collateral-file.ts';
import { readCrl } from '../x509/crl.ts';

/** When a text or a list was signed. */
export interface CollateralDate {
  /** Of what it speaks: two with one subject follow each other. */
  readonly subject: string;
  readonly at: string;
  readonly issuedMs: number;
}

/** @throws AttestError ATTEST_COLLATERAL_MALFORMED | ATTEST_CERTIFICATE_MALFORMED */
export function listCollateralDates({ dcap, crls }: Collateral): CollateralDate[] {
  const lists = [...crls, ...(dcap === null ? [] : [dcap.rootCrl, dcap.pckCrl])].map((der) => {
    const { issuer, thisUpdateMs } = readCrl(der);
    return { subject: `list ${toHex(issuer)}`, at: 'revocation list', issuedMs: thisUpdateMs };
  });
  if (dcap === null) return lists;
  const [tcbInfo, qeIdentity] = [parseTcbInfo(dcap.tcbInfo.text), parseQeIdentity(dcap.qeIdentity.text)];
  return [
    ...lists,
    { subject: `${tcbInfo.id} ${tcbInfo.fmspc}`, at: 'tcb_info', issuedMs: tcbInfo.issueDate },
    { subject: qeIdentity.id, at: 'qe_identity', issuedMs: qeIdentity.issueDate },
  ];
}

/**
 * Each of `next` is as young as that of the same subject in `kept`; what only one of them has is not compared.
 * @throws AttestError ATTEST_COLLATERAL_OLDER (fields `at`, `keptMs`, `issuedMs`)
 */
export function assertNotOlder(next: readonly CollateralDate[], kept: readonly CollateralDate[]): void {
  const before = new Map(kept.map(({ subject, issuedMs }) => [subject, issuedMs]));
  for (const { subject, at, issuedMs } of next) {
    const keptMs = before.get(subject);
    if (keptMs === undefined || keptMs <= issuedMs) continue;
    throw new AttestError('ATTEST_COLLATERAL_OLDER', { fields: { at, keptMs, issuedMs } });
  }
}
