/**
 * Collateral as Intel's service answers it, file by file: TCB info, identity of the quoting enclave, two revocation lists,
 * and the chain of the signer, which stands in the headers of the answers.
 * @see Intel PCS API v4
 */
import { findHexBytes } from '../../core/bytes.ts';
import { type DcapCollateral, refuseCollateral, type SignedText } from '../dcap/collateral.ts';
import { readCertificate } from '../x509/certificate.ts';
import { readCrl } from '../x509/crl.ts';

/** A signed text without its chain. */
export interface PcsAnswer {
  readonly kind: 'tcbInfo' | 'enclaveIdentity';
  readonly text: string;
  readonly signature: Uint8Array;
}

const ANSWER = /^\{"(tcbInfo|enclaveIdentity)":(\{[^]*\}),"signature":"([0-9a-fA-F]{128})"\}$/;

/** Undefined for any other text: what is signed is cut out as it stands, so that only the service's own spelling will do. */
export function findPcsAnswer(text: string): PcsAnswer | undefined {
  const match = ANSWER.exec(text.trim());
  if (match === null) return undefined;
  const [, kind, body, signature] = match;
  const bytes = findHexBytes(signature);
  if (bytes === undefined) return undefined;
  return { kind: kind === 'tcbInfo' ? 'tcbInfo' : 'enclaveIdentity', text: body, signature: bytes };
}

/**
 * @returns null when there is no answer at all
 * @throws AttestError ATTEST_COLLATERAL_MALFORMED with the part that is missing
 */
export function assembleDcapCollateral(parts: {
  readonly answers: readonly PcsAnswer[];
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}): DcapCollateral | null {
  const { answers, certificates, crls } = parts;
  if (answers.length === 0) return null;
  const chainPem = toSignerChain(certificates);
  const findText = (kind: PcsAnswer['kind']): SignedText => {
    const [answer, ...more] = answers.filter((one) => one.kind === kind);
    if (more.length > 0) refuseCollateral(`more than one ${kind}`);
    return { text: answer.text, signature: answer.signature, chainPem };
  };
  if (new Set(answers.map(({ kind }) => kind)).size < 2)
    refuseCollateral('tcbInfo and enclaveIdentity are both needed');
  const isOfRoot = (der: Uint8Array) => Buffer.from(readCrl(der).issuer).includes(ROOT_NAME);
  const rootCrl = crls.find(isOfRoot);
  const pckCrl = crls.find((der) => !isOfRoot(der));
  if (rootCrl === undefined || pckCrl === undefined) refuseCollateral('the lists of root and of PCK are both needed');
  return { tcbInfo: findText('tcbInfo'), qeIdentity: findText('enclaveIdentity'), rootCrl, pckCrl, pckChainPem: null };
}

const ROOT_NAME = 'Intel SGX Root CA';
const SIGNER_NAME = 'Intel SGX TCB Signing';

/** Only a hint of which to take: the verifier looks at the certificate itself. */
function toSignerChain(certificates: readonly Uint8Array[]): string {
  const signer = certificates.find((der) => readCertificate(der).commonName === SIGNER_NAME);
  if (signer === undefined) refuseCollateral(`the certificate of ${SIGNER_NAME} is needed`);
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(signer).toString('base64')}\n-----END CERTIFICATE-----\n`;
}
