/** What is given beside evidence: certificates and revocation lists as PEM or DER, a certificate table, or DCAP collateral. */
import { TAG, toContextTag } from '../../core/der.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { type DcapCollateral, refuseCollateral, toDcapCollateral } from '../dcap/collateral.ts';
import { openFields, readDer } from '../x509/der.ts';
import { isCertificateTable, readCertificateTable } from './certificate-table.ts';
import { assembleDcapCollateral, findPcsAnswer, type PcsAnswer } from './pcs-answers.ts';

export interface Collateral {
  /** DER. */
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly dcap: DcapCollateral | null;
}

export const NO_COLLATERAL: Collateral = { certificates: [], crls: [], dcap: null };

/**
 * @param files contents, in any order
 * @throws AttestError ATTEST_COLLATERAL_MALFORMED | ATTEST_CERTIFICATE_MALFORMED
 */
export function readCollateral(files: readonly Uint8Array[]): Collateral {
  if (files.length > ATTEST_LIMITS.collateralFilesMax) refuseCollateral(`${files.length} files`);
  const parts = files.map(readFile);
  const certificates = parts.flatMap((part) => part.certificates ?? []);
  const crls = parts.flatMap((part) => part.crls ?? []);
  const answers = parts.flatMap(({ answer }) => (answer === undefined ? [] : [answer]));
  const whole = parts.flatMap(({ dcap }) => (dcap === undefined ? [] : [dcap]));
  const assembled = assembleDcapCollateral({ answers, certificates, crls });
  const all = assembled === null ? whole : [...whole, assembled];
  if (all.length > 1) refuseCollateral('more than one file of DCAP collateral');
  return { certificates, crls, dcap: all.at(0) ?? null };
}

/** What one file holds. */
interface Part {
  readonly certificates?: readonly Uint8Array[];
  readonly crls?: readonly Uint8Array[];
  readonly dcap?: DcapCollateral;
  readonly answer?: PcsAnswer;
}

function readFile(bytes: Uint8Array): Part {
  if (bytes.length > ATTEST_LIMITS.collateralBytesMax) refuseCollateral('size');
  if (bytes[0] === TAG.sequence) return toPart(bytes);
  if (isCertificateTable(bytes)) return readCertificateTable(bytes);
  const text = Buffer.from(bytes).toString('utf8');
  // Collateral in JSON carries its chains as PEM texts, so what begins as JSON is JSON.
  return text.trimStart().startsWith('{') ? readJson(text) : readPem(text);
}

function readJson(text: string): Part {
  const answer = findPcsAnswer(text);
  if (answer !== undefined) return { answer };
  try {
    return { dcap: toDcapCollateral(JSON.parse(text)) };
  } catch (cause) {
    if (cause instanceof AttestError) throw cause;
    refuseCollateral('JSON', cause);
  }
}

function readPem(text: string): Part {
  const blocks = [...text.matchAll(/-----BEGIN (CERTIFICATE|X509 CRL)-----([A-Za-z0-9+/=\s]*?)-----END \1-----/g)];
  if (blocks.length === 0 || blocks.length > ATTEST_LIMITS.collateralFilesMax)
    refuseCollateral('neither DER, PEM nor JSON');
  const parts = blocks.map(([, , base64]) => toPart(new Uint8Array(Buffer.from(base64, 'base64'))));
  return {
    certificates: parts.flatMap(({ certificates }) => certificates ?? []),
    crls: parts.flatMap(({ crls }) => crls ?? []),
  };
}

/** TBSCertificate of version 3 begins with [0], TBSCertList with its version. @see RFC 5280 4.1, 5.1 */
function toPart(der: Uint8Array): Part {
  const body = openFields(openFields(readDer(der)).take(TAG.sequence));
  const isList = body.find(toContextTag(0)) === undefined;
  return isList ? { crls: [der] } : { certificates: [der] };
}
