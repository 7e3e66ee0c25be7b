/** From a file to evidence: which technology it is of is told by its bytes. */
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { INTEL_QE_VENDOR_HEX } from '../dcap/quote.ts';
import { SNP_REPORT_BYTES } from '../snp/report.ts';
import type { SnpEvidence } from '../snp/verify.ts';
import { readCertificateTable } from './certificate-table.ts';
import { type Collateral, NO_COLLATERAL } from './collateral-file.ts';
import { parseEvidenceFile } from './evidence-file.ts';
import type { Evidence } from './types.ts';

/**
 * @param bytes a report, quote or document as the hardware gives it, or an evidence file (docs/spec/attestation-evidence.md)
 * @param collateral what was given beside it
 * @throws AttestError ATTEST_EVIDENCE_UNKNOWN | ATTEST_EVIDENCE_MALFORMED | ATTEST_COLLATERAL_MALFORMED
 */
export function readEvidence(bytes: Uint8Array, collateral: Collateral = NO_COLLATERAL): Evidence {
  if (bytes.length > ATTEST_LIMITS.evidenceBytesMax) {
    throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'file', at: 'size' } });
  }
  const found = bytes[0] === BRACE ? parseEvidenceFile(bytes) : readRaw(bytes);
  if (found.kind === 'snp') {
    const certificates = [...found.certificates, ...collateral.certificates];
    return { ...found, certificates: toDistinct(certificates), crls: toDistinct([...found.crls, ...collateral.crls]) };
  }
  return found.kind === 'dcap' ? { ...found, collateral: collateral.dcap ?? found.collateral } : found;
}

const BRACE = 0x7b;

function readRaw(bytes: Uint8Array): Evidence {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length > 48 && toHex(bytes.subarray(12, 28)) === INTEL_QE_VENDOR_HEX) {
    return { kind: 'dcap', quote: bytes, collateral: null };
  }
  if (bytes.length >= SNP_REPORT_BYTES && head.readUInt32LE(0) <= 0xff && head.readUInt32LE(0x34) === 1)
    return toSnp(bytes);
  // COSE_Sign1: an array of four, bare or under its tag (18).
  if (bytes[0] === 0x84 || (bytes[0] === 0xd2 && bytes[1] === 0x84)) return { kind: 'nitro', document: bytes };
  throw new AttestError('ATTEST_EVIDENCE_UNKNOWN');
}

function toSnp(bytes: Uint8Array): SnpEvidence {
  const rest = bytes.subarray(SNP_REPORT_BYTES);
  const table = rest.some((byte) => byte !== 0) ? readCertificateTable(rest) : NO_COLLATERAL;
  return {
    kind: 'snp',
    report: bytes.subarray(0, SNP_REPORT_BYTES),
    certificates: table.certificates,
    crls: table.crls,
  };
}

/** The same certificate may come from the host and from a file. */
function toDistinct(list: readonly Uint8Array[]): Uint8Array[] {
  const byHex = new Map(list.map((one) => [toHex(one), one]));
  return [...byHex.values()];
}
