/** Answers of vendors as files that `readCollateral` reads, checked before anybody keeps them. */
import { findHexBytes, toHex, utf8 } from '../../core/bytes.ts';
import { TAG } from '../../core/der.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { refuseCollateral, type SignedText } from '../dcap/collateral.ts';
import { verifyDcapCollateral } from '../dcap/verify-collateral.ts';
import { findPcsAnswer, type PcsAnswer } from '../evidence/pcs-answers.ts';
import type { Evidence } from '../evidence/types.ts';
import type { CollateralAnswer, CollateralRequest } from '../ports.ts';
import { verifySnpCollateral } from '../snp/verify-collateral.ts';
import type { TrustAnchors } from '../verify.ts';
import { readPemChain } from '../x509/certificate.ts';

export interface CollateralFiles {
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  /** When the first part of it is over. */
  readonly validUntilMs: number;
}

/** Names of the files. */
export const COLLATERAL_FILE_NAMES: ReadonlySet<string> = new Set([
  'vcek.der',
  'chain.pem',
  'revoked.crl',
  'collateral.json',
]);

export type CollateralAnswers = ReadonlyMap<CollateralRequest['part'], CollateralAnswer>;

/**
 * Signatures up to the pinned roots, validity at `nowMs`, and that it belongs to this evidence. Whether the evidence itself is
 * authentic is not asked: a list that revokes its platform is kept, too.
 * @throws AttestError ATTEST_COLLATERAL_* | ATTEST_CERTIFICATE_* | ATTEST_CRL_* | ATTEST_SIGNATURE_INVALID | ATTEST_CHAIN_BROKEN |
 *   ATTEST_ROOT_UNTRUSTED | ATTEST_FMSPC_MISMATCH | ATTEST_PCE_MISMATCH | ATTEST_CHIP_ID_* | ATTEST_TCB_MISMATCH |
 *   ATTEST_PRODUCT_MISMATCH | ATTEST_SIGNING_KEY_MISMATCH
 */
export function toVerifiedCollateral(
  evidence: Evidence,
  answers: CollateralAnswers,
  options: { readonly nowMs: number; readonly anchors?: TrustAnchors },
): CollateralFiles {
  const { nowMs, anchors = {} } = options;
  if (evidence.kind === 'snp') {
    const trust = anchors.snp === undefined ? {} : { trust: anchors.snp };
    return toSnpFiles(evidence, answers, { nowMs, ...trust });
  }
  if (evidence.kind !== 'dcap') return { files: [], validUntilMs: nowMs };
  const root = anchors.intel === undefined ? {} : { root: anchors.intel };
  return toDcapFiles(evidence, answers, { nowMs, ...root });
}

function toSnpFiles(
  evidence: Extract<Evidence, { kind: 'snp' }>,
  answers: CollateralAnswers,
  options: Parameters<typeof verifySnpCollateral>[1],
): CollateralFiles {
  const vcek = answers.has('vcek') ? [toDer(take(answers, 'vcek').body, 'vcek')] : [];
  const chain = readPemChain(toText(take(answers, 'chain').body));
  const crl = toDer(take(answers, 'crl').body, 'crl');
  const parts = { ...evidence, certificates: [...vcek, ...evidence.certificates], chain, crl };
  const { validUntilMs } = verifySnpCollateral(parts, options);
  const files = [
    ...vcek.map((bytes) => ({ name: 'vcek.der', bytes })),
    { name: 'chain.pem', bytes: utf8(chain.map(({ der }) => toPem('CERTIFICATE', der)).join('')) },
    { name: 'revoked.crl', bytes: crl },
  ];
  return { files, validUntilMs };
}

function toDcapFiles(
  { quote }: Extract<Evidence, { kind: 'dcap' }>,
  answers: CollateralAnswers,
  options: Parameters<typeof verifyDcapCollateral>[2],
): CollateralFiles {
  const collateral = {
    tcbInfo: toSignedText(take(answers, 'tcbInfo'), 'tcbInfo', ['tcb-info-issuer-chain', 'sgx-tcb-info-issuer-chain']),
    qeIdentity: toSignedText(take(answers, 'qeIdentity'), 'enclaveIdentity', ['sgx-enclave-identity-issuer-chain']),
    pckCrl: toDer(take(answers, 'pckCrl').body, 'pckCrl'),
    rootCrl: toDer(take(answers, 'rootCrl').body, 'rootCrl'),
    pckChainPem: null,
  };
  const { validUntilMs } = verifyDcapCollateral(quote, collateral, options);
  const { tcbInfo, qeIdentity, pckCrl, rootCrl } = collateral;
  const file = {
    tcb_info_issuer_chain: tcbInfo.chainPem,
    tcb_info: tcbInfo.text,
    tcb_info_signature: toHex(tcbInfo.signature),
    qe_identity_issuer_chain: qeIdentity.chainPem,
    qe_identity: qeIdentity.text,
    qe_identity_signature: toHex(qeIdentity.signature),
    root_ca_crl: toHex(rootCrl),
    pck_crl: toHex(pckCrl),
  };
  return { files: [{ name: 'collateral.json', bytes: utf8(`${JSON.stringify(file, null, 1)}\n`) }], validUntilMs };
}

function take(answers: CollateralAnswers, part: CollateralRequest['part']): CollateralAnswer {
  return answers.get(part) ?? refuseCollateral(`no answer: ${part}`);
}

/** The text as it was signed; the chain of its signer stands percent-encoded in a header. */
function toSignedText(
  { headers, body }: CollateralAnswer,
  kind: PcsAnswer['kind'],
  names: readonly string[],
): SignedText {
  const answer = findPcsAnswer(toText(body));
  if (answer?.kind !== kind) refuseCollateral(kind);
  const header = names.find((name) => Object.hasOwn(headers, name));
  if (header === undefined) refuseCollateral(`${kind}: header ${names[0]}`);
  try {
    return { text: answer.text, signature: answer.signature, chainPem: decodeURIComponent(headers[header]) };
  } catch (cause) {
    refuseCollateral(`${kind}: header ${header}`, cause);
  }
}

/** Services answer in DER; those that keep copies also in hex of DER, or in PEM. */
function toDer(body: Uint8Array, at: string): Uint8Array {
  if (body.length > ATTEST_LIMITS.crlBytesMax * 2) refuseCollateral(`${at}: size`);
  if (body[0] === TAG.sequence) return body;
  const text = toText(body).trim();
  const pem = /^-----BEGIN (?:X509 CRL|CERTIFICATE)-----([A-Za-z0-9+/=\s]+)-----END [A-Z0-9 ]+-----$/.exec(text);
  const bytes = pem === null ? findHexBytes(text) : new Uint8Array(Buffer.from(pem[1], 'base64'));
  return bytes?.[0] === TAG.sequence ? bytes : refuseCollateral(`${at}: neither DER, PEM nor hex`);
}

function toText(body: Uint8Array): string {
  return Buffer.from(body).toString('utf8');
}

function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
