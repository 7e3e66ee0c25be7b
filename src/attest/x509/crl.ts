/** A certificate revocation list, its signature and its time (RFC 5280 5). */
import { constants, verify as verifySignature } from 'node:crypto';
import { type DerElement, TAG, toContextTag, toIntegerHex } from '../../core/der.ts';
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { type Certificate, EXTENSION, readExtensions } from './certificate.ts';
import {
  openFields,
  openOnly,
  readDer,
  refuseCertificate,
  toBitBytes,
  toChildren,
  toOidText,
  toTimeMs,
} from './der.ts';

export interface Crl {
  readonly issuer: Uint8Array;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** Serial numbers, hex without leading zero bytes. */
  readonly revoked: ReadonlySet<string>;
  readonly signed: Uint8Array;
  /** OID, and the AlgorithmIdentifier with its parameters. */
  readonly algorithm: string;
  readonly signature: Uint8Array;
}

/** Extensions whose meaning is known; a critical one beside them may narrow the list, so it is refused. */
const KNOWN_CRITICAL: ReadonlySet<string> = new Set([EXTENSION.crlNumber, EXTENSION.authorityKeyId]);

/**
 * @param der one list, nothing after it
 * @throws AttestError ATTEST_CERTIFICATE_MALFORMED, also for a list without next update
 */
export function readCrl(der: Uint8Array): Crl {
  if (der.length > ATTEST_LIMITS.crlBytesMax) refuseCertificate('revocation list size');
  const outer = openFields(readDer(der));
  const list = outer.take(TAG.sequence);
  const outerAlgorithm = outer.take(TAG.sequence);
  const signature = toBitBytes(outer.take(TAG.bits));
  const body = openFields(list);
  if (toIntegerHex(body.take(TAG.integer)) !== '01') refuseCertificate('revocation list version');
  const algorithm = body.take(TAG.sequence);
  if (toHex(algorithm.whole) !== toHex(outerAlgorithm.whole)) refuseCertificate('revocation list algorithm');
  const issuer = body.take(TAG.sequence).whole;
  const takeTime = () => toTimeMs(body.find(TAG.utcTime) ?? body.take(TAG.generalizedTime));
  const thisUpdateMs = takeTime();
  const nextUpdateMs = takeTime();
  const entries = body.find(TAG.sequence);
  const wrapped = body.find(toContextTag(0));
  if (wrapped !== undefined) refuseUnknownCritical(readExtensions(openOnly(wrapped)));
  return {
    ...{ issuer, thisUpdateMs, nextUpdateMs, signature },
    revoked: new Set(entries === undefined ? [] : readSerials(entries)),
    signed: list.whole,
    algorithm: toAlgorithm(algorithm),
  };
}

function readSerials(entries: DerElement): string[] {
  const children = toChildren(entries);
  if (children.length > ATTEST_LIMITS.crlEntriesMax) refuseCertificate('revocation list entries');
  return children.map((entry) => {
    const fields = openFields(entry);
    const serialHex = toIntegerHex(fields.take(TAG.integer));
    toTimeMs(fields.find(TAG.utcTime) ?? fields.take(TAG.generalizedTime));
    const extensions = fields.find(TAG.sequence);
    if (extensions !== undefined) refuseUnknownCritical(readExtensions(extensions));
    return serialHex;
  });
}

function refuseUnknownCritical(extensions: ReturnType<typeof readExtensions>): void {
  for (const [oid, { isCritical }] of extensions) {
    if (isCritical && !KNOWN_CRITICAL.has(oid)) refuseCertificate(`critical extension ${oid}`);
  }
}

const ALGORITHMS: Readonly<Record<string, string | undefined>> = {
  '1.2.840.10045.4.3.2': 'ecdsa-sha256',
  '1.2.840.10045.4.3.3': 'ecdsa-sha384',
  '1.2.840.113549.1.1.10': 'pss-sha384',
};

/** Vendor lists use these three; the parameters of RSASSA-PSS are AMD's: SHA-384, MGF1 with it, 48 bytes of salt. */
function toAlgorithm(element: DerElement): string {
  const fields = openFields(element);
  return ALGORITHMS[toOidText(fields.take(TAG.oid))] ?? refuseCertificate('revocation list algorithm');
}

function isSignedBy({ algorithm, signed, signature }: Crl, { publicKey }: Certificate): boolean {
  const [kind, hash] = algorithm.split('-');
  try {
    if (kind === 'ecdsa') {
      return publicKey.asymmetricKeyType === 'ec' && verifySignature(hash, signed, publicKey, signature);
    }
    const key = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
    return verifySignature(hash, signed, key, signature);
  } catch {
    return false;
  }
}

/**
 * That `crl` is signed by `issuer` and current.
 * @throws AttestError ATTEST_CRL_INVALID | ATTEST_CRL_EXPIRED | ATTEST_CRL_EARLY
 */
export function verifyCrl(crl: Crl, issuer: Certificate, nowMs: number): void {
  const fields = { issuer: issuer.commonName };
  const isNamed = Buffer.compare(crl.issuer, issuer.subject) === 0;
  // A key usage that leaves out cRLSign (0x02) forbids it; AMD's and Intel's authorities have it.
  const isAllowed = issuer.isAuthority && (issuer.keyUsage === null || (issuer.keyUsage & 0x02) !== 0);
  if (!isNamed || !isAllowed || !isSignedBy(crl, issuer)) throw new AttestError('ATTEST_CRL_INVALID', { fields });
  if (nowMs > crl.nextUpdateMs)
    throw new AttestError('ATTEST_CRL_EXPIRED', { fields: { ...fields, nextUpdateMs: crl.nextUpdateMs } });
  if (nowMs + ATTEST_LIMITS.clockSkewMs < crl.thisUpdateMs) throw new AttestError('ATTEST_CRL_EARLY', { fields });
}
