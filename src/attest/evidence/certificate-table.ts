/**
 * The certificates that a host hands out with a SEV-SNP report: entries of GUID, offset and length, ended by zeros.
 * Linux gives the table as `auxblob` of configfs-tsm, and after the report of an extended request.
 * @see AMD GHCB Standardization (56421), 4.1.8.1
 */
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { createCursor } from '../cursor.ts';

const GUID: Readonly<Record<string, 'certificate' | 'crl' | undefined>> = {
  '63da758de6644564adc5f4b93be8accd': 'certificate', // VCEK
  a8074bc2a25a483eaae639c045a0b8a1: 'certificate', // VLEK
  '4ab7b379bbac4fe4a02f05aef327c782': 'certificate', // ASK
  c0b406a4a803495297433fb6014cd0ae: 'certificate', // ARK
  '92f81bc358114d3d97ffd19f88dc67ea': 'crl',
};
const END = '00'.repeat(16);

export interface SnpCertificates {
  /** DER. */
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}

/** Whether `bytes` begin like a table. */
export function isCertificateTable(bytes: Uint8Array): boolean {
  const guid = toHex(bytes.subarray(0, 16));
  return GUID[guid] !== undefined;
}

/** Entries of other kinds are left out. @throws AttestError ATTEST_EVIDENCE_MALFORMED */
export function readCertificateTable(bytes: Uint8Array): SnpCertificates {
  const read = createCursor(bytes, refuse);
  const found = { certificate: [] as Uint8Array[], crl: [] as Uint8Array[] };
  for (let entries = 0; read.left > 0; entries++) {
    if (entries > ATTEST_LIMITS.chainCertificatesMax) refuse('certificate table: entries');
    const guid = toHex(read.take(16, 'certificate table'));
    const offset = read.u32le('certificate table');
    const length = read.u32le('certificate table');
    if (guid === END) break;
    if (offset > bytes.length || length > bytes.length - offset) refuse('certificate table: offset');
    const kind = GUID[guid];
    if (kind !== undefined) found[kind].push(bytes.subarray(offset, offset + length));
  }
  return { certificates: found.certificate, crls: found.crl };
}

function refuse(at: string): never {
  throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'snp', at } });
}
