/**
 * Whether a signing certificate leads to a root that the verifier was given, at one time (RFC 5280 section 6, without
 * policies, name constraints and revocation: a certificate that asks for those as critical is refused, and one with
 * name constraints in any case).
 */
import { ModelSigningError } from '../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';
import type { Certificate } from './certificate.ts';
import { type SigningKey, toSigningKey } from './keys.ts';

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const ANY_PURPOSE = '2.5.29.37.0';

/** Signature algorithms over SHA-1 and older hashes: a collision makes two certificates of one signature. */
const WEAK: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.2', // md2WithRSAEncryption
  '1.2.840.113549.1.1.4', // md5WithRSAEncryption
  '1.2.840.113549.1.1.5', // sha1WithRSAEncryption
  '1.3.14.3.2.29', // sha1WithRSASignature
  '1.2.840.10045.4.1', // ecdsa-with-SHA1
  '1.2.840.10040.4.3', // dsa-with-sha1
]);

export interface ChainOptions {
  /** The signing certificate first; the others may be in any order. */
  readonly presented: readonly Certificate[];
  /** Certificates that the verifier was given: self-issued ones are believed, others only help to get there. */
  readonly given: readonly Certificate[];
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/**
 * Rules, in this order: C1 the signing certificate may sign code; C2 it was valid at the time; C3 a path of valid
 * issuers that may issue for code leads to a believed root; C4 nothing on the path is weak.
 * @returns the key of the signing certificate
 * @throws ModelSigningError OMS_CERTIFICATE_USAGE | OMS_CERTIFICATE_EXPIRED | OMS_CERTIFICATE_UNTRUSTED |
 *   OMS_CERTIFICATE_WEAK | OMS_KEY_UNSUPPORTED
 */
export function verifyChain({ presented, given, atMs }: ChainOptions): SigningKey {
  const [leaf, ...others] = presented;
  assertUsage(leaf);
  if (!isValidAt(leaf, atMs)) refuseTime(leaf, atMs);
  const roots = given.filter((one) => one.isSelfIssued);
  const between = [...others, ...given.filter((one) => !one.isSelfIssued)];
  const found = findPath({ leaf, roots, between, isUsable: (one) => isValidAt(one, atMs) });
  if (found === undefined) {
    // A path that only time has closed is worth saying so: the user can give the time of signing.
    const late = findPath({ leaf, roots, between, isUsable: () => true })?.find((one) => !isValidAt(one, atMs));
    if (late !== undefined) refuseTime(late, atMs);
    throw new ModelSigningError('OMS_CERTIFICATE_UNTRUSTED', {
      fields: { subject: toName(leaf), roots: roots.length, unfit: findUnfit([...roots, ...between]) },
    });
  }
  for (const certificate of found) assertStrong(certificate);
  return toSigningKey(leaf.publicKey);
}

/** What may sign says so: keyUsage and extendedKeyUsage must allow it where they are there, and one must be there. */
function assertUsage({ usage, purposes, notUnderstood, x509 }: Certificate): void {
  const refuse = (at: string): never => {
    throw new ModelSigningError('OMS_CERTIFICATE_USAGE', { fields: { at, subject: toLine(x509.subject) } });
  };
  if (usage === null && purposes === null) refuse('no key usage');
  if (usage?.digitalSignature === false) refuse('key usage');
  if (!isForCode(purposes)) refuse('extended key usage');
  if (notUnderstood.length > 0) refuse(`extension ${notUnderstood[0]}`);
}

function isForCode(purposes: Certificate['purposes']): boolean {
  return purposes === null || purposes.includes(CODE_SIGNING) || purposes.includes(ANY_PURPOSE);
}

/** Why a certificate can stand above no signing certificate; null when it can. */
function toIssuerFault({ authority, usage, purposes, notUnderstood }: Certificate): string | null {
  if (authority === null) return 'no authority';
  if (usage?.keyCertSign === false) return 'key usage';
  // The purposes of an authority bound those of what it issues, as every large verifier has it.
  if (!isForCode(purposes)) return 'extended key usage';
  return notUnderstood.length === 0 ? null : `extension ${notUnderstood[0]}`;
}

/** The first authority that could have been on the path and is not fit for it, for the words of a refusal. */
function findUnfit(certificates: readonly Certificate[]): string | null {
  const unfit = certificates.find((one) => one.authority !== null && toIssuerFault(one) !== null);
  return unfit === undefined ? null : `${toName(unfit)}: ${toIssuerFault(unfit)}`;
}

interface PathOptions {
  readonly leaf: Certificate;
  readonly roots: readonly Certificate[];
  readonly between: readonly Certificate[];
  readonly isUsable: (certificate: Certificate) => boolean;
}

/** The path from the signing certificate to a root, both with it; undefined when there is none. */
function findPath({ leaf, roots, between, isUsable }: PathOptions): readonly Certificate[] | undefined {
  const usableRoots = roots.filter(isUsable);
  const isRoot = (one: Certificate): boolean =>
    usableRoots.some((root) => root.x509.fingerprint256 === one.x509.fingerprint256);
  let paths: (readonly Certificate[])[] = [[leaf]];
  for (let depth = 0; depth < MODEL_SIGNING_LIMITS.certificatesMax && paths.length > 0; depth++) {
    const ended = paths.find((path) => isRoot(path[path.length - 1]));
    if (ended !== undefined) return ended;
    // Of two paths to one certificate the first serves: what comes above is the same.
    const reached = new Set<string>(paths.flat().map((one) => one.x509.fingerprint256));
    paths = paths.flatMap((path) => {
      const issuers = [...usableRoots, ...between.filter(isUsable)].filter((one) => isIssuer(one, path));
      return issuers.flatMap((issuer) => {
        const isNew = !reached.has(issuer.x509.fingerprint256);
        reached.add(issuer.x509.fingerprint256);
        return isNew ? [[...path, issuer]] : [];
      });
    });
  }
  return undefined;
}

/** True when `issuer` may stand above the last of `path`, and has signed it. */
function isIssuer(issuer: Certificate, path: readonly Certificate[]): boolean {
  const { x509 } = path[path.length - 1];
  if (toIssuerFault(issuer) !== null) return false;
  // Authorities between it and the signing certificate, which does not count.
  const pathLengthMax = issuer.authority?.pathLengthMax ?? null;
  if (pathLengthMax !== null && path.length - 1 > pathLengthMax) return false;
  return x509.checkIssued(issuer.x509) && x509.verify(issuer.publicKey);
}

function assertStrong(certificate: Certificate): void {
  const { publicKey, signatureAlgorithm, isSelfIssued } = certificate;
  const bits = publicKey.asymmetricKeyDetails?.modulusLength;
  const isShort = bits !== undefined && bits < MODEL_SIGNING_LIMITS.rsaBitsMin;
  // A root is believed because it was given, not because of its own signature.
  if (!isShort && (isSelfIssued || !WEAK.has(signatureAlgorithm))) return;
  throw new ModelSigningError('OMS_CERTIFICATE_WEAK', {
    fields: { subject: toName(certificate), algorithm: signatureAlgorithm, rsaBits: bits ?? null },
  });
}

function isValidAt({ notBeforeMs, notAfterMs }: Certificate, atMs: number): boolean {
  return notBeforeMs <= atMs && atMs <= notAfterMs;
}

function refuseTime(certificate: Certificate, atMs: number): never {
  const { x509 } = certificate;
  throw new ModelSigningError('OMS_CERTIFICATE_EXPIRED', {
    fields: {
      subject: toName(certificate),
      at: new Date(atMs).toISOString(),
      validFrom: x509.validFrom,
      validTo: x509.validTo,
    },
  });
}

/** The subject in one line. */
export function toName({ x509 }: Certificate): string {
  return toLine(x509.subject);
}

function toLine(subject: string): string {
  return subject.replaceAll('\n', ', ').slice(0, 200);
}
