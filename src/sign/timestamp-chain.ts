/** The certificate of a timestamp authority and its path to a root that the caller believes (RFC 3161 2.3, RFC 5280). */
import { X509Certificate } from 'node:crypto';
import { SignError } from '../core/errors.ts';
import { SIGN_LIMITS } from '../core/limits/sign.ts';
import { openFields, openOnly, readDer, TAG, toChildren, toContextTag, toOidText } from './der.ts';
import { OID, type TimestampToken } from './timestamp-token.ts';

const SUBJECT_KEY_ID = '2.5.29.14';

interface CertificateParts {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly extensions: ReadonlyMap<string, { readonly isCritical: boolean; readonly value: Uint8Array }>;
}

/** The fields of a certificate that node:crypto does not show as bytes. @see RFC 5280 4.1 */
function parseCertificate(der: Uint8Array): CertificateParts {
  const body = openFields(openFields(readDer(der)).take(TAG.sequence));
  body.find(toContextTag(0));
  const serial = body.take(TAG.integer).whole;
  body.take(TAG.sequence);
  const issuer = body.take(TAG.sequence).whole;
  const wrapped = body.rest().find(({ tag }) => tag === toContextTag(3));
  const list = wrapped === undefined ? [] : toChildren(openOnly(wrapped));
  const extensions = list.map((one) => {
    const fields = openFields(one);
    const oid = toOidText(fields.take(TAG.oid));
    const isCritical = fields.find(TAG.boolean)?.body[0] === 0xff;
    return [oid, { isCritical, value: fields.take(TAG.octets).body }] as const;
  });
  return { serial, issuer, extensions: new Map(extensions) };
}

function isSignerCertificate(token: TimestampToken, parts: CertificateParts): boolean {
  const { signer } = token;
  if (signer.kind === 'issuer') {
    return Buffer.compare(parts.issuer, signer.issuer) === 0 && Buffer.compare(parts.serial, signer.serial) === 0;
  }
  const extension = parts.extensions.get(SUBJECT_KEY_ID);
  return extension !== undefined && Buffer.compare(readDer(extension.value).body, signer.keyId) === 0;
}

/** RFC 3161 2.3: one extended key usage, timeStamping, critical. */
function isTimestampingCertificate(parts: CertificateParts): boolean {
  const usage = parts.extensions.get(OID.extendedKeyUsage);
  if (usage?.isCritical !== true) return false;
  const purposes = toChildren(readDer(usage.value)).map(toOidText);
  return purposes.length === 1 && purposes[0] === OID.timeStamping;
}

function toX509(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new SignError('SIGN_TIMESTAMP_MALFORMED', { fields: { at: 'certificate' }, cause });
  }
}

/**
 * The certificate that the token names as its signer's, fit for timestamps.
 * @throws SignError SIGN_TIMESTAMP_MALFORMED | SIGN_TIMESTAMP_INVALID
 */
export function findSignerCertificate(token: TimestampToken): X509Certificate {
  for (const der of token.certificates) {
    const parts = parseCertificate(der);
    if (!isSignerCertificate(token, parts)) continue;
    if (!isTimestampingCertificate(parts)) {
      throw new SignError('SIGN_TIMESTAMP_INVALID', { fields: { at: 'extended key usage' } });
    }
    return toX509(der);
  }
  throw new SignError('SIGN_TIMESTAMP_INVALID', { fields: { at: 'no signer certificate' } });
}

function isValidAt(certificate: X509Certificate, atMs: number): boolean {
  return Date.parse(certificate.validFrom) <= atMs && atMs <= Date.parse(certificate.validTo);
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Reads root certificates from PEM. @throws SignError SIGN_TIMESTAMP_UNTRUSTED when one does not read */
export function parseRoots(pems: readonly string[]): X509Certificate[] {
  return pems.map((pem) => {
    try {
      return new X509Certificate(pem);
    } catch (cause) {
      throw new SignError('SIGN_TIMESTAMP_UNTRUSTED', { fields: { at: 'root certificate' }, cause });
    }
  });
}

/**
 * Follows issuers from `signer` over the token's certificates to one of `roots`, all valid at the stamped time.
 * Revocation, path length, name constraints and policies are not looked at.
 * @throws SignError SIGN_TIMESTAMP_UNTRUSTED
 */
export function verifyChain(options: {
  readonly signer: X509Certificate;
  readonly token: TimestampToken;
  readonly roots: readonly X509Certificate[];
}): void {
  const atMs = options.token.info.genTimeMs;
  const between = options.token.certificates.map(toX509);
  const seen = new Set<string>();
  let level = [options.signer];
  for (let depth = 0; depth < SIGN_LIMITS.timestampCertificatesMax && level.length > 0; depth++) {
    level = level.filter((one) => isValidAt(one, atMs) && !seen.has(one.fingerprint256));
    for (const one of level) {
      seen.add(one.fingerprint256);
      const isRoot = options.roots.some((root) => root.fingerprint256 === one.fingerprint256);
      if (isRoot || options.roots.some((root) => isValidAt(root, atMs) && isIssuedBy(one, root))) return;
    }
    level = between.filter((candidate) => level.some((one) => isIssuedBy(one, candidate)));
  }
  throw new SignError('SIGN_TIMESTAMP_UNTRUSTED', { fields: { subject: options.signer.subject.slice(0, 200) } });
}
