/**
 * What verified evidence says: plain records, JSON as they stand. Byte strings are lower-case hex, times are milliseconds
 * since 1970-01-01T00:00:00Z. A claim is authentic; whether it is good enough is for the policy to say.
 */
import type { SnpTcb } from './snp/tcb.ts';
import type { SnpProduct } from './snp/trust.ts';

export type AttestationKind = 'snp' | 'sgx' | 'tdx' | 'nitro' | 'tpm';

interface CommonClaims {
  /** The instant that validity was judged at. */
  readonly verifiedForMs: number;
  /** SHA-256 of the evidence, as it was given. */
  readonly evidenceDigestHex: string;
  /** What the guest put in to bind the evidence to something; '' when it put in nothing (Nitro). */
  readonly reportDataHex: string;
  /** Answer to a challenge, where the technology has a field of its own for it; else the report data. */
  readonly nonceHex: string;
  readonly isDebug: boolean;
  /** Every certificate on the way that its vendor can revoke was looked up in a current revocation list. */
  readonly isRevocationChecked: boolean;
  /** SHA-256 of the certificate of the root. */
  readonly rootFingerprintHex: string;
  /** Earliest end of any certificate, list or collateral that the verdict rests on. */
  readonly validUntilMs: number;
}

export interface SnpClaims extends CommonClaims {
  readonly kind: 'snp';
  readonly reportVersion: number;
  readonly product: SnpProduct;
  readonly signingKey: 'vcek' | 'vlek';
  /** Cloud provider that the VLEK is for; null for a VCEK. */
  readonly csp: string | null;
  readonly vmpl: number;
  readonly guestSvn: number;
  readonly guestPolicy: {
    readonly isSmtAllowed: boolean;
    readonly isMigrationAgentAllowed: boolean;
    readonly isSingleSocket: boolean;
    readonly abiMajor: number;
    readonly abiMinor: number;
  };
  readonly measurements: {
    readonly measurement: string;
    readonly hostData: string;
    readonly idKeyDigest: string;
    readonly authorKeyDigest: string;
    readonly familyId: string;
    readonly imageId: string;
  };
  /** `reported` is what the signing key is bound to, and the one to judge by; `current` may be higher, and be taken back. */
  readonly tcb: {
    readonly reported: SnpTcb;
    readonly current: SnpTcb;
    readonly committed: SnpTcb;
    readonly launch: SnpTcb;
  };
  readonly platformInfoHex: string;
  readonly chipIdHex: string;
  readonly reportIdHex: string;
}

/** Statuses of Intel's collateral, best first. */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;

export type TcbStatus = (typeof TCB_STATUSES)[number];

/** What the collateral says about the patch level of an Intel platform. */
export interface DcapTcb {
  /** Platform, quoting enclave and TDX module taken together: the worst of them. */
  readonly status: TcbStatus;
  readonly platformStatus: TcbStatus;
  readonly qeStatus: TcbStatus;
  /** Null for SGX, and for TDX modules of version 0. */
  readonly moduleStatus: TcbStatus | null;
  readonly tcbDateMs: number;
  readonly advisories: readonly string[];
  /** Lower of TCB info and QE identity. */
  readonly evaluationNumber: number;
  /** Older of TCB info and QE identity. */
  readonly issuedMs: number;
  /** Earliest next update of TCB info, QE identity and revocation lists. */
  readonly nextUpdateMs: number;
}

interface DcapClaims extends CommonClaims {
  readonly quoteVersion: number;
  readonly fmspcHex: string;
  readonly ppidHex: string;
  readonly pceIdHex: string;
  readonly qeSvn: number;
  readonly pceSvn: number;
  /** Null when the quote was verified without collateral: signatures alone. */
  readonly tcb: DcapTcb | null;
}

export interface SgxClaims extends DcapClaims {
  readonly kind: 'sgx';
  readonly measurements: { readonly mrEnclave: string; readonly mrSigner: string };
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly attributesHex: string;
  readonly miscSelectHex: string;
  readonly cpuSvnHex: string;
}

export interface TdxClaims extends DcapClaims {
  readonly kind: 'tdx';
  readonly measurements: {
    readonly mrTd: string;
    readonly rtMr0: string;
    readonly rtMr1: string;
    readonly rtMr2: string;
    readonly rtMr3: string;
    readonly mrConfigId: string;
    readonly mrOwner: string;
    readonly mrOwnerConfig: string;
    readonly mrSeam: string;
    readonly mrSignerSeam: string;
    /** Of service TDs bound to this one; TDX 1.5, '' before. */
    readonly mrServiceTd: string;
  };
  /** SEPT_VE_DISABLE: the host cannot inject exceptions by taking pages away. */
  readonly isSeptVeDisabled: boolean;
  /** MIGRATABLE: a service TD may move it to another machine. Quotes of TDX 1.0 form do not say which service TD. */
  readonly isMigratable: boolean;
  /** PERFMON: performance counters of the processor are open to it, and what they show to others on the machine. */
  readonly isPerfMonAllowed: boolean;
  readonly tdAttributesHex: string;
  readonly xfamHex: string;
  readonly teeTcbSvnHex: string;
}

export interface NitroClaims extends CommonClaims {
  readonly kind: 'nitro';
  readonly moduleId: string;
  readonly timestampMs: number;
  /** Non-zero PCRs by number ("0" the image, "1" kernel and boot, "2" the application, "8" the signing certificate). */
  readonly measurements: Readonly<Record<string, string>>;
  /** Key that the enclave wants answers encrypted to; '' when it gave none. */
  readonly publicKeyHex: string;
}

export interface TpmClaims extends CommonClaims {
  readonly kind: 'tpm';
  /** PCR values that the quoted digest stands for, as "sha256:7"; all that were quoted. */
  readonly measurements: Readonly<Record<string, string>>;
  /** SHA-256 of the attestation key as SubjectPublicKeyInfo. */
  readonly akFingerprintHex: string;
  /** The key has a certificate for attestation keys (2.23.133.8.3) under a root that the verifier was given. */
  readonly isAkCertified: boolean;
  readonly firmwareVersionHex: string;
  readonly clock: {
    readonly clockMs: number;
    readonly resetCount: number;
    readonly restartCount: number;
    readonly isSafe: boolean;
  };
}

export type AttestationClaims = SnpClaims | SgxClaims | TdxClaims | NitroClaims | TpmClaims;
