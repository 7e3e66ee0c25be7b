/** Authenticity of an SGX or TDX quote, and the TCB status of its platform. Policy is not looked at. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { concatBytes, toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { DcapTcb, SgxClaims, TdxClaims } from '../claims.ts';
import { type Certificate, readPemChain } from '../x509/certificate.ts';
import { type VerifiedChain, verifyChain } from '../x509/chain.ts';
import { type Crl, readCrl } from '../x509/crl.ts';
import type { DcapCollateral } from './collateral.ts';
import { toDcapClaims } from './claims.ts';
import { hasPckPlatform, readPckPlatform } from './pck.ts';
import { type DcapQuote, readDcapQuote } from './quote.ts';
import { assertIntelQe, isDebugEnclave } from './quoting-enclaves.ts';
import { pinnedIntelRoot } from './root.ts';
import {
  assertCurrent,
  assertP256,
  assertRevocationChecked,
  type TrustContext,
  verifySignedText,
} from './signed-text.ts';
import { parseQeIdentity, parseTcbInfo, type QeIdentity } from './signed-documents.ts';
import { isMasked, judgeTcb } from './tcb.ts';

export interface DcapEvidence {
  readonly kind: 'dcap';
  readonly quote: Uint8Array;
  /** Null: `verifyDcap` refuses, `verifyDcapWithoutCollateral` does not look at it. */
  readonly collateral: DcapCollateral | null;
}

export interface VerifyDcapOptions {
  readonly nowMs: number;
  /** Root to believe; Intel's by default. */
  readonly root?: Certificate;
}

/**
 * Signatures, chains, revocation, the quoting enclave's identity and the TCB status, all at `nowMs`. A status of "Revoked" or
 * "OutOfDate" is a claim, not an error: the policy refuses it.
 * @throws AttestError ATTEST_COLLATERAL_MISSING without collateral; ATTEST_EVIDENCE_MALFORMED | ATTEST_COLLATERAL_* |
 *   ATTEST_SIGNATURE_INVALID | ATTEST_QE_BINDING | ATTEST_QE_IDENTITY | ATTEST_FMSPC_MISMATCH | ATTEST_PCE_MISMATCH |
 *   ATTEST_TDX_MODULE | ATTEST_TCB_LEVEL_MISSING and those of `verifyChain`
 * @see Intel SGX DCAP QVL, "Quote verification"
 */
export function verifyDcap(evidence: DcapEvidence, options: VerifyDcapOptions): SgxClaims | TdxClaims {
  const { collateral } = evidence;
  if (collateral === null) throw new AttestError('ATTEST_COLLATERAL_MISSING');
  const { nowMs, root = pinnedIntelRoot() } = options;
  const quote = readDcapQuote(evidence.quote);
  const crls = [readCrl(collateral.rootCrl), readCrl(collateral.pckCrl)];
  const context = { nowMs, roots: [root], crls };
  const pck = verifyPck(quote, collateral.pckChainPem, context);
  assertRevocationChecked(pck.chain, 'pck_crl');
  verifyQuoteSignatures(quote, pck.certificate);
  const tcbInfo = parseTcbInfo(verifySignedText(collateral.tcbInfo, 'tcb_info', context));
  const qeIdentity = parseQeIdentity(verifySignedText(collateral.qeIdentity, 'qe_identity', context));
  assertCurrent(tcbInfo, 'tcb_info', nowMs);
  assertCurrent(qeIdentity, 'qe_identity', nowMs);
  assertQeIdentity(quote, qeIdentity);
  const platform = readPckPlatform(pck.certificate);
  const judged = judgeTcb({ body: quote.body, platform, qeSvn: quote.qeReport.isvSvn, tcbInfo, qeIdentity });
  const nextUpdateMs = Math.min(...[tcbInfo, qeIdentity].map(({ nextUpdate }) => nextUpdate), ...toUpdates(crls));
  return toDcapClaims(quote, platform, {
    ...toCommon(quote, nowMs, pck.chain),
    tcb: { ...judged, nextUpdateMs } satisfies DcapTcb,
    validUntilMs: Math.min(pck.chain.notAfterMs, nextUpdateMs),
  });
}

/**
 * Signatures, certificates, and that the quoting enclave is Intel's and not open to debugging. Nothing about revocation, the
 * version of the quoting enclave or the patch level: the claims say so (`tcb` null), and no policy accepts them unless it allows
 * an unknown TCB.
 * @throws AttestError as `verifyDcap`, none of collateral; ATTEST_QE_IDENTITY
 */
export function verifyDcapWithoutCollateral(
  evidence: Pick<DcapEvidence, 'quote'>,
  { nowMs, root = pinnedIntelRoot() }: VerifyDcapOptions,
): SgxClaims | TdxClaims {
  const quote = readDcapQuote(evidence.quote);
  const pck = verifyPck(quote, null, { nowMs, roots: [root], crls: [] });
  verifyQuoteSignatures(quote, pck.certificate);
  assertIntelQe(quote);
  return toDcapClaims(quote, readPckPlatform(pck.certificate), {
    ...toCommon(quote, nowMs, pck.chain),
    tcb: null,
    validUntilMs: pck.chain.notAfterMs,
  });
}

const toUpdates = (crls: readonly Crl[]): number[] => crls.map(({ nextUpdateMs }) => nextUpdateMs);

function toCommon({ whole }: DcapQuote, nowMs: number, chain: VerifiedChain) {
  return {
    verifiedForMs: nowMs,
    evidenceDigestHex: createHash('sha256').update(whole).digest('hex'),
    isRevocationChecked: chain.isRevocationChecked,
    rootFingerprintHex: chain.root.fingerprintHex,
  };
}

function verifyPck(quote: DcapQuote, otherChainPem: string | null, context: TrustContext) {
  const pem = quote.pckChainPem ?? otherChainPem;
  if (pem === null) throw new AttestError('ATTEST_CERTIFICATE_MISSING', { fields: { kind: 'dcap' } });
  const certificates = readPemChain(pem);
  const chain = verifyChain({ chain: certificates, ...context });
  if (!hasPckPlatform(certificates[0])) {
    throw new AttestError('ATTEST_CERTIFICATE_ROLE', { fields: { subject: certificates[0].commonName.slice(0, 100) } });
  }
  return { certificate: certificates[0], chain };
}

/** PCK signs the quoting enclave's report, which binds the attestation key, which signs the quote. */
function verifyQuoteSignatures(quote: DcapQuote, pck: Certificate): void {
  assertP256(pck.publicKey, quote.qeReportBytes, quote.qeReportSignature, 'QE report');
  const bound = sha256(quote.attestationKey, quote.qeAuthData);
  const reportData = quote.qeReport.reportData;
  if (toHex(reportData) !== toHex(concatBytes(bound, new Uint8Array(32)))) throw new AttestError('ATTEST_QE_BINDING');
  assertP256(toP256Key(quote.attestationKey), quote.signed, quote.signature, 'quote');
}

/** DER of SubjectPublicKeyInfo for P-256, up to the point. */
const SPKI_P256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');

function toP256Key(point: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.concat([SPKI_P256, point]), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'dcap', at: 'attestation key' }, cause });
  }
}

function assertQeIdentity({ body, qeReport }: DcapQuote, identity: QeIdentity): void {
  const wanted = body.kind === 'tdx' ? 'TD_QE' : 'QE';
  if (identity.id !== wanted) {
    throw new AttestError('ATTEST_COLLATERAL_MISMATCH', {
      fields: { at: 'qe_identity', quote: body.kind, found: identity.id },
    });
  }
  const miscSelect = new Uint8Array(4);
  new DataView(miscSelect.buffer).setUint32(0, qeReport.miscSelect, true);
  const checks: readonly (readonly [string, boolean])[] = [
    ['mrsigner', toHex(qeReport.mrSigner) === identity.mrsigner],
    ['isvprodid', qeReport.isvProdId === identity.isvprodid],
    ['miscselect', isMasked(miscSelect, identity.miscselect, identity.miscselectMask)],
    ['attributes', isMasked(qeReport.attributes, identity.attributes, identity.attributesMask)],
    // Whatever the mask leaves open.
    ['debug', !isDebugEnclave(qeReport)],
  ];
  const failed = checks.find(([, holds]) => !holds);
  if (failed !== undefined) throw new AttestError('ATTEST_QE_IDENTITY', { fields: { at: failed[0] } });
}
