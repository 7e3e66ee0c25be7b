/** What is given beside evidence: certificates and revocation lists as PEM or DER, a certificate table, or DCAP collateral. */
import { TAG, toContextTag } from '../../core/der.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { type DcapCollateral, refuseCollateral, toDcapCollateral } from '../dcap/collateral.ts';
import { openFields, readDer } from '../x509/der.ts';
import { isCertificateTable, readCertificateTable } from './certificate-table.ts';

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
  const dcap = parts.map((part) => part.dcap).filter((one) => one !== null);
  if (dcap.length > 1) refuseCollateral('more than one file of DCAP collateral');
  return {
    certificates: parts.flatMap(({ certificates }) => certificates),
    crls: parts.flatMap(({ crls }) => crls),
    dcap: dcap.at(0) ?? null,
  };
}

function readFile(bytes: Uint8Array): Collateral {
  if (bytes.length > ATTEST_LIMITS.collateralBytesMax) refuseCollateral('size');
  if (bytes[0] === TAG.sequence) return toPart(bytes);
  if (isCertificateTable(bytes)) return { ...readCertificateTable(bytes), dcap: null };
  const text = Buffer.from(bytes).toString('utf8');
  // Collateral in JSON carries its chains as PEM texts, so what begins as JSON is JSON.
  return text.trimStart().startsWith('{')
    ? { ...NO_COLLATERAL, dcap: toDcapCollateral(parseJson(text)) }
    : readPem(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    refuseCollateral('JSON', cause);
  }
}

function readPem(text: string): Collateral {
  const blocks = [...text.matchAll(/-----BEGIN (CERTIFICATE|X509 CRL)-----([A-Za-z0-9+/=\s]*?)-----END \1-----/g)];
  if (blocks.length === 0 || blocks.length > ATTEST_LIMITS.collateralFilesMax)
    refuseCollateral('neither DER, PEM nor JSON');
  const parts = blocks.map(([, , base64]) => toPart(new Uint8Array(Buffer.from(base64, 'base64'))));
  return {
    certificates: parts.flatMap(({ certificates }) => certificates),
    crls: parts.flatMap(({ crls }) => crls),
    dcap: null,
  };
}

/** TBSCertificate of version 3 begins with [0], TBSCertList with its version. @see RFC 5280 4.1, 5.1 */
function toPart(der: Uint8Array): Collateral {
  const body = openFields(openFields(readDer(der)).take(TAG.sequence));
  const isList = body.find(toContextTag(0)) === undefined;
  return isList ? { ...NO_COLLATERAL, crls: [der] } : { ...NO_COLLATERAL, certificates: [der] };
}
