/**
 * The signed bodies of DCAP quotes: an SGX enclave report (384 bytes), a TD report of TDX 1.0 (584) or 1.5 (648).
 * Little-endian. @see Intel SGX ECDSA Quote Library API, A.4; Intel TDX DCAP Quoting Library API, A.3
 */
import type { Cursor } from '../cursor.ts';

export const SGX_BODY_BYTES = 384;
export const TD10_BODY_BYTES = 584;
export const TD15_BODY_BYTES = 648;

export interface SgxBody {
  readonly kind: 'sgx';
  readonly cpuSvn: Uint8Array;
  readonly miscSelect: number;
  readonly attributes: Uint8Array;
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly reportData: Uint8Array;
}

export interface TdxBody {
  readonly kind: 'tdx';
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly tdAttributes: Uint8Array;
  readonly xfam: Uint8Array;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  /** Four of 48 bytes. */
  readonly rtMrs: readonly Uint8Array[];
  readonly reportData: Uint8Array;
  /** TDX 1.5; null before. */
  readonly mrServiceTd: Uint8Array | null;
}

export function readSgxBody(read: Cursor): SgxBody {
  const cpuSvn = read.take(16, 'cpu_svn');
  const miscSelect = read.u32le('misc_select');
  read.take(28, 'reserved');
  const attributes = read.take(16, 'attributes');
  const mrEnclave = read.take(32, 'mr_enclave');
  read.take(32, 'reserved');
  const mrSigner = read.take(32, 'mr_signer');
  read.take(96, 'reserved');
  const isvProdId = read.u16le('isv_prod_id');
  const isvSvn = read.u16le('isv_svn');
  read.take(60, 'reserved');
  const reportData = read.take(64, 'report_data');
  return { kind: 'sgx', cpuSvn, miscSelect, attributes, mrEnclave, mrSigner, isvProdId, isvSvn, reportData };
}

/**
 * Attributes that a TD may have: byte 0 (TUD), SEPT_VE_DISABLE 28, MIGRATABLE 29, PKS 30, KL 31, PERFMON 63. All others must be
 * zero: what a later module would mean by them is not known here, and can be the opposite of what is trusted.
 */
const TD_ATTRIBUTES = Uint8Array.of(0xff, 0, 0, 0xf0, 0, 0, 0, 0x80);

export function hasReservedBits({ tdAttributes }: TdxBody): boolean {
  return tdAttributes.some((byte, at) => (byte & ~TD_ATTRIBUTES[at]) !== 0);
}

export function readTdxBody(read: Cursor, isTdx15: boolean): TdxBody {
  const body = {
    kind: 'tdx' as const,
    teeTcbSvn: read.take(16, 'tee_tcb_svn'),
    mrSeam: read.take(48, 'mr_seam'),
    mrSignerSeam: read.take(48, 'mr_signer_seam'),
    seamAttributes: read.take(8, 'seam_attributes'),
    tdAttributes: read.take(8, 'td_attributes'),
    xfam: read.take(8, 'xfam'),
    mrTd: read.take(48, 'mr_td'),
    mrConfigId: read.take(48, 'mr_config_id'),
    mrOwner: read.take(48, 'mr_owner'),
    mrOwnerConfig: read.take(48, 'mr_owner_config'),
    rtMrs: [0, 1, 2, 3].map((number) => read.take(48, `rt_mr${number}`)),
    reportData: read.take(64, 'report_data'),
  };
  if (!isTdx15) return { ...body, mrServiceTd: null };
  // tee_tcb_svn2 is what the module was updated to since; the version that the TD started with is judged.
  read.take(16, 'tee_tcb_svn2');
  return { ...body, mrServiceTd: read.take(48, 'mr_service_td') };
}
