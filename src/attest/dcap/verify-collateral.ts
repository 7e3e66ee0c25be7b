/** Collateral by itself: signed by Intel, current, and of the platform of a quote. Whether the quote holds is not asked. */
import { AttestError } from '../../core/errors.ts';
import type { Certificate } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { readCrl, verifyCrl } from '../x509/crl.ts';
import type { DcapCollateral } from './collateral.ts';
import { readPckPlatform, toPckChain } from './pck.ts';
import { readDcapQuote } from './quote.ts';
import { pinnedIntelRoot } from './root.ts';
import { parseQeIdentity, parseTcbInfo } from './signed-documents.ts';
import { assertCurrent, verifySignedText } from './signed-text.ts';

/**
 * @throws AttestError ATTEST_EVIDENCE_MALFORMED | ATTEST_CERTIFICATE_MISSING | ATTEST_COLLATERAL_* | ATTEST_CRL_* |
 *   ATTEST_FMSPC_MISMATCH | ATTEST_PCE_MISMATCH | ATTEST_SIGNATURE_INVALID and those of `verifyChain`
 */
export function verifyDcapCollateral(
  quoteBytes: Uint8Array,
  collateral: DcapCollateral,
  { nowMs, root = pinnedIntelRoot() }: { readonly nowMs: number; readonly root?: Certificate },
): { readonly validUntilMs: number } {
  const quote = readDcapQuote(quoteBytes);
  const chain = toPckChain(quote);
  const [pck, authority] = chain;
  verifyChain({ chain, roots: [root], nowMs });
  const [rootCrl, pckCrl] = [readCrl(collateral.rootCrl), readCrl(collateral.pckCrl)];
  verifyCrl(rootCrl, root, nowMs);
  verifyCrl(pckCrl, authority, nowMs);
  const context = { nowMs, roots: [root], crls: [rootCrl] };
  const tcbInfo = parseTcbInfo(verifySignedText(collateral.tcbInfo, 'tcb_info', context));
  const qeIdentity = parseQeIdentity(verifySignedText(collateral.qeIdentity, 'qe_identity', context));
  assertCurrent(tcbInfo, 'tcb_info', nowMs);
  assertCurrent(qeIdentity, 'qe_identity', nowMs);
  const { kind } = quote.body;
  assertSame('ATTEST_COLLATERAL_MISMATCH', kind.toUpperCase(), tcbInfo.id);
  assertSame('ATTEST_COLLATERAL_MISMATCH', kind === 'tdx' ? 'TD_QE' : 'QE', qeIdentity.id);
  const { fmspcHex, pceIdHex } = readPckPlatform(pck);
  assertSame('ATTEST_FMSPC_MISMATCH', fmspcHex, tcbInfo.fmspc);
  assertSame('ATTEST_PCE_MISMATCH', pceIdHex, tcbInfo.pceId);
  const ends = [tcbInfo.nextUpdate, qeIdentity.nextUpdate, rootCrl.nextUpdateMs, pckCrl.nextUpdateMs];
  return { validUntilMs: Math.min(...ends) };
}

function assertSame(
  code: 'ATTEST_COLLATERAL_MISMATCH' | 'ATTEST_FMSPC_MISMATCH' | 'ATTEST_PCE_MISMATCH',
  quote: string,
  collateral: string,
): void {
  if (quote !== collateral) throw new AttestError(code, { fields: { quote, collateral } });
}
