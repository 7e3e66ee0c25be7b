/**
 * DCAP quotes of version 3 (SGX), 4 and 5 (SGX and TDX), signed with ECDSA P-256.
 * @see Intel SGX ECDSA Quote Library API, appendix A; Intel TDX DCAP Quoting Library API, appendix A
 */
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { createCursor, type Cursor } from '../cursor.ts';
import {
  hasReservedBits,
  readSgxBody,
  readTdxBody,
  SGX_BODY_BYTES,
  type SgxBody,
  TD10_BODY_BYTES,
  TD15_BODY_BYTES,
  type TdxBody,
} from './body.ts';

/** Identifier of Intel's quoting enclave vendor in every quote header. */
export const INTEL_QE_VENDOR_HEX = '939a7233f79c4ca9940a0db3957f0607';
const HEADER_BYTES = 48;
const KEY_TYPE_P256 = 2;
const TEE_SGX = 0;
const TEE_TDX = 0x81;
const CERTIFICATION = { pckChain: 5, qeReport: 6 } as const;

export interface DcapQuote {
  /** The quote itself, without what stood after it. */
  readonly whole: Uint8Array;
  readonly version: 3 | 4 | 5;
  readonly qeSvn: number;
  readonly pceSvn: number;
  readonly body: SgxBody | TdxBody;
  /** Header and body: what the attestation key signed. */
  readonly signed: Uint8Array;
  /** r and s, 32 bytes each, as all signatures here. */
  readonly signature: Uint8Array;
  /** x and y, 32 bytes each. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: SgxBody;
  readonly qeReportBytes: Uint8Array;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  /** PEM chain of the PCK certificate, signer first; null when the quote names its platform in another way. */
  readonly pckChainPem: string | null;
}

function refuse(at: string): never {
  throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'dcap', at } });
}

/**
 * @param bytes the quote; what stands after it (drivers pad their buffers) is not looked at and is no part of it
 * @throws AttestError ATTEST_EVIDENCE_MALFORMED (field `at`)
 */
export function readDcapQuote(bytes: Uint8Array): DcapQuote {
  if (bytes.length > ATTEST_LIMITS.evidenceBytesMax) refuse('size');
  const read = createCursor(bytes, refuse);
  const header = readHeader(read);
  const body = readBody(read, header);
  if (body.kind === 'tdx' && hasReservedBits(body)) refuse('td_attributes: reserved bits');
  const signed = bytes.subarray(0, read.at);
  const data = createCursor(read.take(read.u32le('signature length'), 'signature data'), refuse);
  const whole = bytes.subarray(0, read.at);
  const signature = data.take(64, 'signature');
  const attestationKey = data.take(64, 'attestation key');
  const qe = readQe(header.version === 3 ? data : openCertification(data, CERTIFICATION.qeReport));
  if (data.left > 0) refuse('bytes after the signature data');
  const { version, qeSvn, pceSvn } = header;
  return { whole, version, qeSvn, pceSvn, body, signed, signature, attestationKey, ...qe };
}

interface Header {
  readonly version: 3 | 4 | 5;
  readonly tee: number;
  readonly qeSvn: number;
  readonly pceSvn: number;
}

function readHeader(read: Cursor): Header {
  const version = read.u16le('version');
  if (version !== 3 && version !== 4 && version !== 5) refuse('version');
  if (read.u16le('attestation key type') !== KEY_TYPE_P256) refuse('attestation key type');
  const tee = read.u32le('TEE type');
  if (tee !== TEE_SGX && (tee !== TEE_TDX || version === 3)) refuse('TEE type');
  const qeSvn = read.u16le('QE SVN');
  const pceSvn = read.u16le('PCE SVN');
  if (toHex(read.take(16, 'QE vendor')) !== INTEL_QE_VENDOR_HEX) refuse('QE vendor');
  read.take(HEADER_BYTES - read.at, 'user data');
  return { version, tee, qeSvn, pceSvn };
}

/** What version 5 says of its body, and version 3 and 4 leave to the TEE type. */
const BODIES: Readonly<Record<number, { readonly tee: number; readonly bytes: number } | undefined>> = {
  1: { tee: TEE_SGX, bytes: SGX_BODY_BYTES },
  2: { tee: TEE_TDX, bytes: TD10_BODY_BYTES },
  3: { tee: TEE_TDX, bytes: TD15_BODY_BYTES },
};

function readBody(read: Cursor, { version, tee }: Header): SgxBody | TdxBody {
  if (version !== 5) return tee === TEE_SGX ? readSgxBody(read) : readTdxBody(read, false);
  const type = read.u16le('body type');
  const row = BODIES[type];
  if (row?.tee !== tee || row.bytes !== read.u32le('body size')) refuse('body type');
  return tee === TEE_SGX ? readSgxBody(read) : readTdxBody(read, row.bytes === TD15_BODY_BYTES);
}

/** The content of certification data, which must be of `type` and fill what is left. */
function openCertification(read: Cursor, type: number): Cursor {
  if (read.u16le('certification type') !== type) refuse('certification type');
  return createCursor(read.take(read.u32le('certification size'), 'certification data'), refuse);
}

function readQe(read: Cursor) {
  const qeReportBytes = read.take(SGX_BODY_BYTES, 'QE report');
  const qeReport = readSgxBody(createCursor(qeReportBytes, refuse));
  const qeReportSignature = read.take(64, 'QE report signature');
  const authBytes = read.u16le('QE auth size');
  if (authBytes > ATTEST_LIMITS.qeAuthBytesMax) refuse('QE auth size');
  const qeAuthData = read.take(authBytes, 'QE auth data');
  const type = read.u16le('certification type');
  const chain = read.take(read.u32le('certification size'), 'certification data');
  if (read.left > 0) refuse('bytes after the certification data');
  const pckChainPem = type === CERTIFICATION.pckChain ? Buffer.from(chain).toString('latin1') : null;
  return { qeReport, qeReportBytes, qeReportSignature, qeAuthData, pckChainPem };
}
