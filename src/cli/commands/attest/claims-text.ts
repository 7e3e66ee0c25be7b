/** Claims for people: name and value, one line each. */
import type { AttestationClaims, DcapTcb, SnpTcb } from '../../../attest/index.ts';

const KIND_WORDS: Readonly<Record<AttestationClaims['kind'], string>> = {
  snp: 'AMD SEV-SNP report',
  sgx: 'Intel SGX quote',
  tdx: 'Intel TDX quote',
  nitro: 'AWS Nitro attestation document',
  tpm: 'TPM 2.0 quote',
};

export function toKindText({ kind }: Pick<AttestationClaims, 'kind'>): string {
  return KIND_WORDS[kind];
}

export function toClaimPairs(claims: AttestationClaims): [string, string][] {
  return [
    ['judged for', toTime(claims.verifiedForMs)],
    ['good until', toTime(claims.validUntilMs)],
    ...toOwnPairs(claims),
    ...Object.entries(claims.measurements)
      .filter(([, value]) => /[1-9a-f]/.test(value))
      .map(([name, value]): [string, string] => [hasPcrs(claims) ? `PCR ${name}` : name, value]),
    ['report data', claims.reportDataHex || '-'],
    ...(claims.nonceHex === claims.reportDataHex ? [] : [['nonce', claims.nonceHex || '-'] as [string, string]]),
    ['debug', claims.isDebug ? 'ON: the host can read its memory' : 'off'],
    ['revocation', claims.isRevocationChecked ? 'checked' : 'NOT checked: no revocation lists'],
  ];
}

/** Measurements of these are numbered registers. */
const hasPcrs = ({ kind }: AttestationClaims): boolean => kind === 'nitro' || kind === 'tpm';

function toOwnPairs(claims: AttestationClaims): [string, string][] {
  switch (claims.kind) {
    case 'snp':
      return [
        ['processor', claims.product],
        ['signed by', claims.csp === null ? claims.signingKey : `${claims.signingKey} of ${claims.csp}`],
        ['privilege level', `VMPL ${claims.vmpl}`],
        ['reported TCB', toTcbText(claims.tcb.reported)],
        ['current TCB', toTcbText(claims.tcb.current)],
        ['chip', claims.chipIdHex],
      ];
    case 'sgx':
      return [...toDcapPairs(claims), ['product', `${claims.isvProdId}, security version ${claims.isvSvn}`]];
    case 'tdx':
      return toDcapPairs(claims);
    case 'nitro':
      return [
        ['module', claims.moduleId],
        ['made at', toTime(claims.timestampMs)],
      ];
    case 'tpm':
      return [
        ['attestation key', claims.akFingerprintHex],
        ['key certified', claims.isAkCertified ? 'yes, under the given root' : 'NO: the policy must list this key'],
      ];
  }
}

function toDcapPairs({
  quoteVersion,
  fmspcHex,
  tcb,
}: Extract<AttestationClaims, { kind: 'sgx' | 'tdx' }>): [string, string][] {
  return [
    ['quote version', String(quoteVersion)],
    ['FMSPC', fmspcHex],
    ...(tcb === null
      ? [['TCB status', 'NOT KNOWN: verified without collateral'] as [string, string]]
      : toStatusPairs(tcb)),
  ];
}

function toStatusPairs(tcb: DcapTcb): [string, string][] {
  const parts = [`platform ${tcb.platformStatus}`, `quoting enclave ${tcb.qeStatus}`];
  if (tcb.moduleStatus !== null) parts.push(`TDX module ${tcb.moduleStatus}`);
  return [
    ['TCB status', `${tcb.status} (${parts.join(', ')})`],
    ['advisories', tcb.advisories.join(' ') || 'none'],
    ['collateral', `of ${toTime(tcb.issuedMs)}, evaluation ${tcb.evaluationNumber}`],
  ];
}

function toTcbText(tcb: SnpTcb): string {
  return Object.entries(tcb)
    .map(([name, level]) => `${name} ${String(level)}`)
    .join(', ');
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
