/**
 * TCB status of an Intel platform: level of the platform, of the TDX module, of the quoting enclave, and the three together.
 * Levels stand in the collateral from best to worst; the first whose every number is reached applies.
 * @see Intel PCS API v4, "Get TCB Info", "Determine the status"; Intel TDX DCAP QVL, TCB status convergence
 */
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import type { DcapTcb, TcbStatus } from '../claims.ts';
import type { SgxBody, TdxBody } from './body.ts';
import type { PckPlatform } from './pck.ts';
import type { IsvLevel, QeIdentity, TcbInfo } from './signed-documents.ts';

interface Judged {
  readonly tcbStatus: TcbStatus;
  readonly tcbDate: number;
  readonly advisoryIDs: readonly string[];
}

export type JudgedTcb = Omit<DcapTcb, 'nextUpdateMs'>;

/**
 * @throws AttestError ATTEST_COLLATERAL_MISMATCH | ATTEST_FMSPC_MISMATCH | ATTEST_PCE_MISMATCH | ATTEST_TDX_MODULE |
 *   ATTEST_TCB_LEVEL_MISSING (field `at`)
 */
export function judgeTcb(options: {
  readonly body: SgxBody | TdxBody;
  readonly platform: PckPlatform;
  readonly qeSvn: number;
  readonly tcbInfo: TcbInfo;
  readonly qeIdentity: QeIdentity;
}): JudgedTcb {
  const { body, platform, qeSvn, tcbInfo, qeIdentity } = options;
  assertSamePlatform(platform, tcbInfo, body.kind);
  const module = body.kind === 'tdx' ? judgeModule(body, tcbInfo) : null;
  const own = judgePlatform(body, platform, tcbInfo);
  const qe = findIsvLevel(qeSvn, qeIdentity.tcbLevels, 'quoting enclave');
  const parts = [own, qe, ...(module === null ? [] : [module])];
  const withModule = module === null ? own.tcbStatus : converge(own.tcbStatus, module.tcbStatus);
  return {
    status: converge(withModule, qe.tcbStatus),
    platformStatus: own.tcbStatus,
    qeStatus: qe.tcbStatus,
    moduleStatus: module?.tcbStatus ?? null,
    tcbDateMs: Math.min(...parts.map(({ tcbDate }) => tcbDate)),
    advisories: [...new Set(parts.flatMap(({ advisoryIDs }) => advisoryIDs))].sort(),
    evaluationNumber: Math.min(tcbInfo.tcbEvaluationDataNumber, qeIdentity.tcbEvaluationDataNumber),
    issuedMs: Math.min(tcbInfo.issueDate, qeIdentity.issueDate),
  };
}

function assertSamePlatform(platform: PckPlatform, tcbInfo: TcbInfo, kind: 'sgx' | 'tdx'): void {
  if (tcbInfo.id !== kind.toUpperCase()) {
    throw new AttestError('ATTEST_COLLATERAL_MISMATCH', { fields: { at: 'tcb_info', quote: kind, found: tcbInfo.id } });
  }
  const { fmspcHex, pceIdHex } = platform;
  if (tcbInfo.fmspc !== fmspcHex) {
    throw new AttestError('ATTEST_FMSPC_MISMATCH', { fields: { quote: fmspcHex, collateral: tcbInfo.fmspc } });
  }
  if (tcbInfo.pceId !== pceIdHex) {
    throw new AttestError('ATTEST_PCE_MISMATCH', { fields: { quote: pceIdHex, collateral: tcbInfo.pceId } });
  }
}

type Components = readonly { readonly svn: number }[];

function judgePlatform(body: SgxBody | TdxBody, platform: PckPlatform, tcbInfo: TcbInfo): Judged {
  const found = tcbInfo.tcbLevels.find(({ tcb }) => {
    if (platform.pceSvn < tcb.pcesvn || !isReached(platform.componentSvns, tcb.sgxtcbcomponents, 0)) return false;
    if (body.kind === 'sgx') return true;
    // From version 1 on, the first two numbers are the module's own, and judged by its identity.
    const from = body.teeTcbSvn[1] > 0 ? 2 : 0;
    return tcb.tdxtcbcomponents !== undefined && isReached([...body.teeTcbSvn], tcb.tdxtcbcomponents, from);
  });
  return found ?? refuseLevel('platform');
}

function isReached(svns: readonly number[], wanted: Components, from: number): boolean {
  return wanted.every(({ svn }, at) => at < from || svns[at] >= svn);
}

/** The TDX module is Intel's, and of which level; null for version 0, whose level is part of the platform's. */
function judgeModule(body: TdxBody, tcbInfo: TcbInfo): Judged | null {
  const [isvSvn, version] = body.teeTcbSvn;
  const id = `TDX_${version.toString(16).padStart(2, '0')}`.toUpperCase();
  const versioned = version > 0 ? tcbInfo.tdxModuleIdentities.find((one) => one.id.toUpperCase() === id) : undefined;
  const identity = version > 0 ? versioned : tcbInfo.tdxModule;
  const isSigner = identity?.mrsigner === toHex(body.mrSignerSeam);
  if (
    identity === undefined ||
    !isSigner ||
    !isMasked(body.seamAttributes, identity.attributes, identity.attributesMask)
  ) {
    const at = identity === undefined ? 'identity' : isSigner ? 'attributes' : 'mrsigner';
    throw new AttestError('ATTEST_TDX_MODULE', { fields: { module: id, at } });
  }
  return versioned === undefined ? null : findIsvLevel(isvSvn, versioned.tcbLevels, `module ${id}`);
}

function findIsvLevel(isvSvn: number, levels: readonly IsvLevel[], at: string): Judged {
  return levels.find(({ tcb }) => isvSvn >= tcb.isvsvn) ?? refuseLevel(at);
}

function refuseLevel(at: string): never {
  throw new AttestError('ATTEST_TCB_LEVEL_MISSING', { fields: { at } });
}

/** Whether `found` has the bits of `wantedHex` wherever `maskHex` has ones; all of one length. */
export function isMasked(found: Uint8Array, wantedHex: string, maskHex: string): boolean {
  const wanted = Buffer.from(wantedHex, 'hex');
  const mask = Buffer.from(maskHex, 'hex');
  return found.length === mask.length && found.every((byte, at) => (byte & mask[at]) === (wanted[at] & mask[at]));
}

/** Needs of configuration are the platform's alone; what is out of date anywhere makes the whole out of date. */
function converge(platform: TcbStatus, part: TcbStatus): TcbStatus {
  if (platform === 'Revoked' || part === 'Revoked') return 'Revoked';
  if (part !== 'OutOfDate' && part !== 'OutOfDateConfigurationNeeded') return toWorse(platform, part);
  const isConfigurationNeeded = platform.includes('Configuration') || part === 'OutOfDateConfigurationNeeded';
  return isConfigurationNeeded ? 'OutOfDateConfigurationNeeded' : 'OutOfDate';
}

/** Of statuses that are not out of date on the part's side: both needs together when the two differ. */
function toWorse(platform: TcbStatus, part: TcbStatus): TcbStatus {
  if (part === 'UpToDate' || platform.startsWith('OutOfDate')) return platform;
  const needs = [platform, part].join();
  const isConfiguration = needs.includes('Configuration');
  const isHardening = needs.includes('SWHardening');
  if (isConfiguration && isHardening) return 'ConfigurationAndSWHardeningNeeded';
  return isConfiguration ? 'ConfigurationNeeded' : 'SWHardeningNeeded';
}
