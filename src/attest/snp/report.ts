/**
 * ATTESTATION_REPORT of SEV-SNP, versions 2 to 5: 1184 bytes, little-endian, signed up to 0x2A0.
 * @see AMD SEV-SNP Firmware ABI Specification (56860), table "ATTESTATION_REPORT Structure"
 */
import { AttestError } from '../../core/errors.ts';
import { createCursor } from '../cursor.ts';

export const SNP_REPORT_BYTES = 0x4a0;
const SIGNED_BYTES = 0x2a0;
const VERSION_MIN = 2;
const VERSION_MAX = 5;
/** ECDSA P-384 with SHA-384, the only algorithm of the specification. */
const ALGORITHM_P384 = 1;

export interface SnpReport {
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: bigint;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  /** 0..3, or 0xFFFFFFFF when the host asked for the report. */
  readonly vmpl: number;
  /** TCB_VERSION, eight bytes each; their layout depends on the product. */
  readonly currentTcb: Uint8Array;
  readonly reportedTcb: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly launchTcb: Uint8Array;
  readonly platformInfo: bigint;
  readonly isChipKeyMasked: boolean;
  /** 0 VCEK, 1 VLEK, 7 none. */
  readonly signingKey: number;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  readonly chipId: Uint8Array;
  /** CPUID family and model, from version 3; null before. */
  readonly cpu: { readonly family: number; readonly model: number; readonly stepping: number } | null;
  readonly signed: Uint8Array;
  /** r and s, big-endian, 48 bytes each. */
  readonly signature: Uint8Array;
}

function refuse(at: string): never {
  throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'snp', at } });
}

/**
 * @param bytes exactly one report
 * @throws AttestError ATTEST_EVIDENCE_MALFORMED (field `at`), also for versions that are not 2 to 5
 */
export function readSnpReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== SNP_REPORT_BYTES) refuse('length');
  const read = createCursor(bytes, refuse);
  const version = read.u32le('version');
  if (version < VERSION_MIN || version > VERSION_MAX) refuse('version');
  const guest = {
    guestSvn: read.u32le('guest_svn'),
    policy: read.u64le('policy'),
    familyId: read.take(16, 'family_id'),
    imageId: read.take(16, 'image_id'),
    vmpl: read.u32le('vmpl'),
  };
  if (read.u32le('signature_algo') !== ALGORITHM_P384) refuse('signature_algo');
  const currentTcb = read.take(8, 'current_tcb');
  const platformInfo = read.u64le('platform_info');
  const flags = read.u32le('flags');
  read.take(4, 'reserved');
  const own = {
    reportData: read.take(64, 'report_data'),
    measurement: read.take(48, 'measurement'),
    hostData: read.take(32, 'host_data'),
    idKeyDigest: read.take(48, 'id_key_digest'),
    authorKeyDigest: read.take(48, 'author_key_digest'),
    reportId: read.take(32, 'report_id'),
  };
  read.take(32, 'report_id_ma');
  const reportedTcb = read.take(8, 'reported_tcb');
  const cpu = { family: read.u8('family'), model: read.u8('model'), stepping: read.u8('stepping') };
  read.take(21, 'reserved');
  const chipId = read.take(64, 'chip_id');
  const committedTcb = read.take(8, 'committed_tcb');
  read.take(8, 'versions');
  const launchTcb = read.take(8, 'launch_tcb');
  return {
    ...{ version, ...guest, currentTcb, platformInfo, ...own, reportedTcb, chipId, committedTcb, launchTcb },
    isChipKeyMasked: (flags & 2) !== 0,
    signingKey: (flags >>> 2) & 7,
    cpu: version >= 3 ? cpu : null,
    signed: bytes.subarray(0, SIGNED_BYTES),
    signature: toSignature(bytes.subarray(SIGNED_BYTES)),
  };
}

/** r and s are little-endian in 72 bytes each, and nothing follows: any other byte would make a second spelling of the report. */
function toSignature(field: Uint8Array): Uint8Array {
  // toReversed() copies; what slice() of a Buffer gives would be reversed in place.
  const toNumber = (at: number): Uint8Array => field.subarray(at, at + 48).toReversed();
  const isZero = (from: number, to: number) => field.subarray(from, to).every((byte) => byte === 0);
  if (!isZero(48, 72) || !isZero(120, field.length)) refuse('signature');
  const signature = new Uint8Array(96);
  signature.set(toNumber(0));
  signature.set(toNumber(72), 48);
  return signature;
}
