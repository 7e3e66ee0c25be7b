/** Authenticity of a SEV-SNP report: who signed it, for which chip and TCB, under which root. Policy is not looked at. */
import { createHash, verify as verifySignature } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import type { SnpClaims } from '../claims.ts';
import { type Certificate, readCertificate } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { type Crl, readCrl } from '../x509/crl.ts';
import { readSnpKeyCertificate, type SnpKeyCertificate } from './certificate.ts';
import { productOfCpu } from './cpu.ts';
import { pinnedSnpTrust } from './pinned.ts';
import { readSnpReport, type SnpReport } from './report.ts';
import { type SnpTcb, toComponents, toSnpTcb } from './tcb.ts';
import type { SnpProduct, SnpTrust } from './trust.ts';

export interface SnpEvidence {
  readonly kind: 'snp';
  /** 1184 bytes. */
  readonly report: Uint8Array;
  /** DER: the VCEK or VLEK, and what else came along; authorities and roots among them are not needed. */
  readonly certificates: readonly Uint8Array[];
  /** DER of AMD's revocation lists, one for each product, signed by its ARK; optional. */
  readonly crls: readonly Uint8Array[];
}

export interface VerifySnpOptions {
  readonly nowMs: number;
  /** Roots to believe; AMD's by default. */
  readonly trust?: readonly SnpTrust[];
}

/**
 * @throws AttestError ATTEST_EVIDENCE_MALFORMED | ATTEST_CERTIFICATE_MALFORMED | ATTEST_CERTIFICATE_MISSING |
 *   ATTEST_SIGNING_KEY_MISMATCH | ATTEST_PRODUCT_MISMATCH | ATTEST_CHIP_ID_ABSENT | ATTEST_CHIP_ID_MISMATCH |
 *   ATTEST_TCB_MISMATCH | ATTEST_SIGNATURE_INVALID and those of `verifyChain`
 * @see AMD SEV-SNP Firmware ABI Specification (56860) 3.3 and 7.3
 */
export function verifySnp(evidence: SnpEvidence, options: VerifySnpOptions): SnpClaims {
  const { nowMs, trust = pinnedSnpTrust() } = options;
  const report = readSnpReport(evidence.report);
  const { key, issuer, product, root } = findKey(evidence.certificates.map(readCertificate), trust);
  const crls = evidence.crls.map(readCrl);
  const chain = verifyChain({ chain: [key, issuer], roots: [root], nowMs, crls, isSignerListed: false });
  const stated = readSnpKeyCertificate(key, product);
  assertKeyOfReport(report, stated, { issuer, product });
  assertSignature(report, key);
  return {
    ...toClaims(report, product, stated),
    verifiedForMs: nowMs,
    evidenceDigestHex: createHash('sha256').update(evidence.report).digest('hex'),
    isRevocationChecked: chain.isRevocationChecked,
    rootFingerprintHex: chain.root.fingerprintHex,
    validUntilMs: Math.min(chain.notAfterMs, ...usedUpdates(crls, [issuer, root])),
  };
}

function usedUpdates(crls: readonly Crl[], issuers: readonly Certificate[]): number[] {
  const isUsed = (crl: Crl) => issuers.some(({ subject }) => Buffer.compare(subject, crl.issuer) === 0);
  return crls.filter(isUsed).map(({ nextUpdateMs }) => nextUpdateMs);
}

export interface FoundKey {
  readonly key: Certificate;
  readonly issuer: Certificate;
  readonly product: SnpProduct;
  readonly root: Certificate;
}

/**
 * The certificate of the signing key is the one that is no authority; its issuer is one that is known by name.
 * @throws AttestError ATTEST_CERTIFICATE_MISSING | ATTEST_CERTIFICATE_MALFORMED | ATTEST_ROOT_UNTRUSTED
 */
export function findKey(certificates: readonly Certificate[], trust: readonly SnpTrust[]): FoundKey {
  const keys = certificates.filter(
    ({ isAuthority, issuer, subject }) => !isAuthority && Buffer.compare(issuer, subject) !== 0,
  );
  const key = keys.at(0);
  if (key === undefined) throw new AttestError('ATTEST_CERTIFICATE_MISSING', { fields: { kind: 'snp' } });
  if (keys.length > 1) throw new AttestError('ATTEST_CERTIFICATE_MALFORMED', { fields: { at: 'more than one key' } });
  for (const { product, ark, authorities } of trust) {
    // What came along is as good as what is built in: both must be signed by the pinned root.
    const known = [...authorities, ...certificates.filter(({ isAuthority }) => isAuthority)];
    const issuer = known.find(({ subject }) => Buffer.compare(subject, key.issuer) === 0);
    if (issuer !== undefined && Buffer.compare(issuer.issuer, ark.subject) === 0) {
      return { key, issuer, product, root: ark };
    }
  }
  throw new AttestError('ATTEST_ROOT_UNTRUSTED', { fields: { subject: key.commonName.slice(0, 100) } });
}

/** That the certificate is of the processor, TCB and kind of key that the report states. @throws AttestError ATTEST_*_MISMATCH | ATTEST_CHIP_ID_ABSENT */
export function assertKeyOfReport(
  report: SnpReport,
  stated: SnpKeyCertificate,
  { issuer, product }: Pick<FoundKey, 'issuer' | 'product'>,
): void {
  assertProduct(report, stated, product);
  assertSigningKey(report, stated, issuer);
  assertChip(report, stated);
  assertTcb(report, stated, product);
}

function assertProduct({ cpu }: SnpReport, { productName }: SnpKeyCertificate, product: SnpProduct): void {
  const isNamed = productName === product || productName.startsWith(`${product}-`);
  const isCpu = cpu === null || productOfCpu(cpu) === product;
  if (isNamed && isCpu) return;
  throw new AttestError('ATTEST_PRODUCT_MISMATCH', {
    fields: { authority: product, certificate: productName, family: cpu?.family ?? null, model: cpu?.model ?? null },
  });
}

/** A VLEK does not name a chip: taken for a VCEK, it would pass without one. So report, certificate and issuer must agree. */
function assertSigningKey({ signingKey }: SnpReport, { kind }: SnpKeyCertificate, issuer: Certificate): void {
  const isIssuer = issuer.commonName.startsWith('SEV-VLEK') === (kind === 'vlek');
  if (isIssuer && signingKey === (kind === 'vcek' ? 0 : 1)) return;
  const fields = { certificate: kind, signingKey, issuer: issuer.commonName.slice(0, 100) };
  throw new AttestError('ATTEST_SIGNING_KEY_MISMATCH', { fields });
}

function assertChip({ chipId }: SnpReport, { kind, hardwareId }: SnpKeyCertificate): void {
  if (kind === 'vlek') return;
  if (hardwareId === null) throw new AttestError('ATTEST_CHIP_ID_ABSENT');
  // Turin's identifier has eight bytes; the rest of the report's field is zero.
  const isEqual = chipId.every((byte, at) => byte === (hardwareId.at(at) ?? 0));
  // An identifier of zeros is one that the host masked: it names no chip.
  if (!isEqual || hardwareId.every((byte) => byte === 0)) {
    throw new AttestError('ATTEST_CHIP_ID_MISMATCH', { fields: { reportChipIdHex: toHex(chipId) } });
  }
}

/** The key is derived from the TCB that AMD certifies it for: the reported one, not the current one. */
function assertTcb({ reportedTcb }: SnpReport, stated: SnpKeyCertificate, product: SnpProduct): void {
  const reported = toSnpTcb(reportedTcb, product);
  for (const name of toComponents(product)) {
    if (reported[name] === stated.tcb[name]) continue;
    const fields = { component: name, reported: reported[name] ?? null, certified: stated.tcb[name] ?? null };
    throw new AttestError('ATTEST_TCB_MISMATCH', { fields });
  }
}

function assertSignature({ signed, signature, isChipKeyMasked }: SnpReport, { publicKey }: Certificate): void {
  const isP384 = publicKey.asymmetricKeyDetails?.namedCurve === 'secp384r1';
  const holds = isP384 && verifySignature('sha384', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
  if (!holds) throw new AttestError('ATTEST_SIGNATURE_INVALID', { fields: { at: 'report', isChipKeyMasked } });
}

const POLICY_SMT = 1n << 16n;
const POLICY_MIGRATION = 1n << 18n;
const POLICY_DEBUG = 1n << 19n;
const POLICY_SINGLE_SOCKET = 1n << 20n;

function toClaims(report: SnpReport, product: SnpProduct, { kind, csp }: SnpKeyCertificate) {
  const { policy } = report;
  const toTcb = (bytes: Uint8Array): SnpTcb => toSnpTcb(bytes, product);
  return {
    kind: 'snp' as const,
    reportVersion: report.version,
    ...{ product, signingKey: kind, csp, vmpl: report.vmpl, guestSvn: report.guestSvn },
    reportDataHex: toHex(report.reportData),
    nonceHex: toHex(report.reportData),
    isDebug: (policy & POLICY_DEBUG) !== 0n,
    guestPolicy: {
      isSmtAllowed: (policy & POLICY_SMT) !== 0n,
      isMigrationAgentAllowed: (policy & POLICY_MIGRATION) !== 0n,
      isSingleSocket: (policy & POLICY_SINGLE_SOCKET) !== 0n,
      abiMajor: Number((policy >> 8n) & 0xffn),
      abiMinor: Number(policy & 0xffn),
    },
    measurements: {
      measurement: toHex(report.measurement),
      hostData: toHex(report.hostData),
      idKeyDigest: toHex(report.idKeyDigest),
      authorKeyDigest: toHex(report.authorKeyDigest),
      familyId: toHex(report.familyId),
      imageId: toHex(report.imageId),
    },
    tcb: {
      reported: toTcb(report.reportedTcb),
      current: toTcb(report.currentTcb),
      committed: toTcb(report.committedTcb),
      launch: toTcb(report.launchTcb),
    },
    platformInfoHex: report.platformInfo.toString(16),
    chipIdHex: toHex(report.chipId),
    reportIdHex: toHex(report.reportId),
  };
}
