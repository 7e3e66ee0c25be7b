/** A chain of certificates up to a pinned root (RFC 5280 6, without policies and name constraints, which no vendor uses). */
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { type Certificate, EXTENSION } from './certificate.ts';
import { type Crl, verifyCrl } from './crl.ts';

export interface ChainOptions {
  /** The signer first, its issuer next, up to the root or to the last one below it. */
  readonly chain: readonly Certificate[];
  /** What is believed, whatever comes with the evidence. */
  readonly roots: readonly Certificate[];
  readonly nowMs: number;
  /** Lists of the issuers in the chain; each issuer without one leaves its certificates unchecked. */
  readonly crls?: readonly Crl[];
  /** False where the issuer of signers publishes no list, as AMD's keys have no serial numbers: then authorities alone count. */
  readonly isSignerListed?: boolean;
  /** Extended key usage (OID) that the chain is wanted for; a certificate that is critically limited to others is refused. */
  readonly purpose?: string;
  /** What the first certificate may be, where it is none of a signer's. */
  readonly signer?: {
    /** Bit of the key usage that it must have; digitalSignature when left out. */
    readonly keyUsage: number;
    /** Critical extensions that it may have beside those that are checked here (OIDs). */
    readonly understood: readonly string[];
  };
}

export interface VerifiedChain {
  readonly root: Certificate;
  /** Earliest end of validity of all certificates in it. */
  readonly notAfterMs: number;
  /** Every certificate below the root that can be listed was looked up in a current list of its issuer. */
  readonly isRevocationChecked: boolean;
}

/** Critical extensions whose meaning is checked here. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXTENSION.basicConstraints,
  EXTENSION.keyUsage,
  EXTENSION.extendedKeyUsage,
]);

/** digitalSignature */
const SIGNER = { keyUsage: 0x80, understood: [] } as const;

/**
 * Follows the chain to a pinned root: names, signatures, roles, path lengths, validity at `nowMs`, revocation.
 * @throws AttestError ATTEST_ROOT_UNTRUSTED | ATTEST_CHAIN_BROKEN | ATTEST_CERTIFICATE_ROLE |
 *   ATTEST_CERTIFICATE_EXPIRED | ATTEST_CERTIFICATE_EARLY | ATTEST_CERTIFICATE_REVOKED | ATTEST_CRL_*
 */
export function verifyChain(options: ChainOptions): VerifiedChain {
  const { chain, roots, nowMs, crls = [], isSignerListed = true, purpose, signer = SIGNER } = options;
  const path = toRootedPath(chain, roots);
  const root = path[path.length - 1];
  for (const [depth, certificate] of path.entries()) {
    assertValidAt(certificate, nowMs);
    assertPurpose(certificate, purpose);
    assertRole(certificate, depth, signer);
  }
  let isRevocationChecked = true;
  for (const [depth, certificate] of path.slice(0, -1).entries()) {
    const issuer = path[depth + 1];
    assertIssuedBy(certificate, issuer);
    const own = crls.filter((crl) => Buffer.compare(crl.issuer, issuer.subject) === 0);
    if (own.length === 0 && (depth > 0 || isSignerListed)) isRevocationChecked = false;
    for (const crl of own) {
      verifyCrl(crl, issuer, nowMs);
      if (crl.revoked.has(certificate.serialHex)) refuse('ATTEST_CERTIFICATE_REVOKED', certificate);
    }
  }
  return { root, notAfterMs: Math.min(...path.map(({ notAfterMs }) => notAfterMs)), isRevocationChecked };
}

/** The chain, ended by the pinned root that its last certificate is or names as its issuer. */
function toRootedPath(chain: readonly Certificate[], roots: readonly Certificate[]): readonly Certificate[] {
  const last = chain.at(-1);
  if (last === undefined || chain.length > ATTEST_LIMITS.chainCertificatesMax) {
    throw new AttestError('ATTEST_CHAIN_BROKEN', { fields: { certificates: chain.length } });
  }
  if (roots.some(({ fingerprintHex }) => fingerprintHex === last.fingerprintHex)) return chain;
  // A root that came along is put aside for the pinned one of its name. It must be the same key's, such as an edition with
  // another end of validity: a chain that ends in anything else was altered, or is somebody else's.
  const isSelfNamed = Buffer.compare(last.issuer, last.subject) === 0;
  const path = isSelfNamed ? chain.slice(0, -1) : chain;
  const top = path.at(-1);
  const root = roots.find(({ subject }) => Buffer.compare(subject, last.issuer) === 0);
  if (top === undefined || root?.isAuthority !== true) refuse('ATTEST_ROOT_UNTRUSTED', last);
  if (!last.isSignedBy(root.publicKey) || !top.isSignedBy(root.publicKey)) refuse('ATTEST_ROOT_UNTRUSTED', top);
  return [...path, root];
}

function assertValidAt(certificate: Certificate, nowMs: number): void {
  if (nowMs > certificate.notAfterMs) refuse('ATTEST_CERTIFICATE_EXPIRED', certificate);
  if (nowMs < certificate.notBeforeMs) refuse('ATTEST_CERTIFICATE_EARLY', certificate);
}

function assertPurpose(certificate: Certificate, purpose: string | undefined): void {
  const { extendedKeyUsage, extensions } = certificate;
  if (extensions.get(EXTENSION.extendedKeyUsage)?.isCritical !== true) return;
  const isNamed = purpose !== undefined && extendedKeyUsage?.includes(purpose) === true;
  if (!isNamed) refuse('ATTEST_CERTIFICATE_ROLE', certificate);
}

/** The first certificate signs evidence and is no authority; all others are authorities with room below them. */
function assertRole(certificate: Certificate, depth: number, signer: NonNullable<ChainOptions['signer']>): void {
  const { isAuthority, keyUsage, pathLengthMax, extensions } = certificate;
  const more = depth === 0 ? signer.understood : [];
  for (const [oid, { isCritical }] of extensions) {
    if (isCritical && !UNDERSTOOD.has(oid) && !more.includes(oid)) refuse('ATTEST_CERTIFICATE_ROLE', certificate);
  }
  if (depth === 0) {
    const isForThis = keyUsage === null || (keyUsage & signer.keyUsage) !== 0;
    if (isAuthority || !isForThis) refuse('ATTEST_CERTIFICATE_ROLE', certificate);
    return;
  }
  // keyCertSign 0x04; `depth - 1` authorities stand between this one and the signer.
  const canCertify = keyUsage === null || (keyUsage & 0x04) !== 0;
  const isDeepEnough = pathLengthMax === null || pathLengthMax >= depth - 1;
  if (!isAuthority || !canCertify || !isDeepEnough) refuse('ATTEST_CERTIFICATE_ROLE', certificate);
}

function assertIssuedBy(certificate: Certificate, issuer: Certificate): void {
  if (Buffer.compare(certificate.issuer, issuer.subject) !== 0 || !certificate.isSignedBy(issuer.publicKey)) {
    refuse('ATTEST_CHAIN_BROKEN', certificate);
  }
}

function refuse(
  code:
    | 'ATTEST_ROOT_UNTRUSTED'
    | 'ATTEST_CHAIN_BROKEN'
    | 'ATTEST_CERTIFICATE_ROLE'
    | 'ATTEST_CERTIFICATE_EXPIRED'
    | 'ATTEST_CERTIFICATE_EARLY'
    | 'ATTEST_CERTIFICATE_REVOKED',
  { commonName, serialHex, notBeforeMs, notAfterMs }: Certificate,
): never {
  throw new AttestError(code, { fields: { subject: commonName.slice(0, 100), serialHex, notBeforeMs, notAfterMs } });
}
