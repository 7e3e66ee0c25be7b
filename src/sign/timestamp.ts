/** Getting and verifying RFC 3161 timestamps over a SHA-256 digest (RFC 3161, RFC 5652, RFC 5816). */
import { createHash, verify as verifyWith, type X509Certificate } from 'node:crypto';
import { SignError } from '../core/errors.ts';
import type { Random } from '../core/ports.ts';
import { type DerElement, openFields, TAG, toChildren, toOidText } from './der.ts';
import type { TimestampAuthority } from './ports.ts';
import { findSignerCertificate, parseRoots, verifyChain } from './timestamp-chain.ts';
import {
  createTimestampRequest,
  OID,
  parseTimestampResponse,
  parseTimestampToken,
  type TimestampInfo,
  type TimestampToken,
} from './timestamp-token.ts';

/** Hash names by OID. SHA-1 is accepted in no signature. */
const DIGESTS: ReadonlyMap<string, string> = new Map([
  [OID.sha256, 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

/** Signature algorithms: the key kind, and the hash where the OID fixes it (RFC 5754, RFC 5758). */
const SIGNATURES: ReadonlyMap<string, { readonly key: 'rsa' | 'ec'; readonly digest: string | null }> = new Map([
  ['1.2.840.113549.1.1.1', { key: 'rsa', digest: null }],
  ['1.2.840.113549.1.1.11', { key: 'rsa', digest: 'sha256' }],
  ['1.2.840.113549.1.1.12', { key: 'rsa', digest: 'sha384' }],
  ['1.2.840.113549.1.1.13', { key: 'rsa', digest: 'sha512' }],
  ['1.2.840.10045.4.3.2', { key: 'ec', digest: 'sha256' }],
  ['1.2.840.10045.4.3.3', { key: 'ec', digest: 'sha384' }],
  ['1.2.840.10045.4.3.4', { key: 'ec', digest: 'sha512' }],
]);

export interface VerifiedTimestamp {
  readonly info: TimestampInfo;
  /** Subject of the authority's certificate, one line. */
  readonly authority: string;
  /** False when no root was given: then anyone could have made the token. */
  readonly isTrusted: boolean;
}

function refuse(at: string): never {
  throw new SignError('SIGN_TIMESTAMP_INVALID', { fields: { at } });
}

function take(token: TimestampToken, oid: string, at: string): DerElement {
  return token.attributes.get(oid) ?? refuse(at);
}

/** The signature covers attributes; these bind it to the content (RFC 5652 5.6) and to the certificate (RFC 5816). */
function verifyAttributes(token: TimestampToken, certificate: X509Certificate): void {
  if (toOidText(take(token, OID.contentType, 'content type')) !== OID.tstInfo) refuse('content type');
  const digest = DIGESTS.get(token.digestAlgorithm) ?? refuse('digest algorithm');
  const expected = createHash(digest).update(token.content).digest();
  if (Buffer.compare(expected, take(token, OID.messageDigest, 'message digest').body) !== 0) refuse('message digest');
  const v2 = token.attributes.get(OID.signingCertificateV2);
  const list = v2 ?? take(token, OID.signingCertificate, 'signing certificate');
  const id = openFields(toChildren(openFields(list).take(TAG.sequence)).at(0) ?? refuse('signing certificate'));
  const algorithm = v2 === undefined ? undefined : id.find(TAG.sequence);
  const oid = algorithm === undefined ? OID.sha256 : toOidText(openFields(algorithm).take(TAG.oid));
  // The first form (RFC 2634) is SHA-1 by definition; it only chooses among certificates that verify anyway.
  const hash = v2 === undefined ? 'sha1' : (DIGESTS.get(oid) ?? refuse('signing certificate'));
  const actual = createHash(hash).update(certificate.raw).digest();
  if (Buffer.compare(actual, id.take(TAG.octets).body) !== 0) refuse('signing certificate');
}

function verifySignature(token: TimestampToken, certificate: X509Certificate): void {
  const row = SIGNATURES.get(token.signatureAlgorithm) ?? refuse('signature algorithm');
  const digest = row.digest ?? DIGESTS.get(token.digestAlgorithm) ?? refuse('digest algorithm');
  const key = certificate.publicKey;
  if (key.asymmetricKeyType !== row.key) refuse('key type');
  if (!verifyWith(digest, token.signedAttributes, key, token.signature)) refuse('signature');
}

/**
 * Verifies that a token is about `digest`, is signed by a timestamping certificate and, with `roots`, that this
 * certificate leads to one of them.
 * @param options.token DER ContentInfo as stored
 * @param options.digest SHA-256 of the stamped data, 32 bytes
 * @param options.nonceHex nonce of the request, where it is still known
 * @param options.roots PEM certificates that are believed; null skips the chain and says so in the result
 * @throws SignError SIGN_TIMESTAMP_MALFORMED | SIGN_TIMESTAMP_MISMATCH | SIGN_TIMESTAMP_INVALID |
 *   SIGN_TIMESTAMP_UNTRUSTED
 */
export function verifyTimestamp(options: {
  readonly token: Uint8Array;
  readonly digest: Uint8Array;
  readonly nonceHex?: string;
  readonly roots: readonly string[] | null;
}): VerifiedTimestamp {
  const token = parseTimestampToken(options.token);
  const { info } = token;
  if (info.imprintAlgorithm !== OID.sha256 || Buffer.compare(info.imprint, options.digest) !== 0) {
    throw new SignError('SIGN_TIMESTAMP_MISMATCH', { fields: { at: 'message imprint' } });
  }
  if (options.nonceHex !== undefined && info.nonceHex !== options.nonceHex) {
    throw new SignError('SIGN_TIMESTAMP_MISMATCH', { fields: { at: 'nonce' } });
  }
  const signer = findSignerCertificate(token);
  verifyAttributes(token, signer);
  verifySignature(token, signer);
  if (options.roots !== null) verifyChain({ signer, token, roots: parseRoots(options.roots) });
  return { info, authority: signer.subject.replaceAll('\n', ', '), isTrusted: options.roots !== null };
}

/**
 * Asks an authority to stamp a digest and verifies the answer before it is kept.
 * @returns the token (DER) to store, and what it states
 * @throws SignError as {@link verifyTimestamp}, and SIGN_TIMESTAMP_REFUSED
 */
export async function requestTimestamp(options: {
  readonly authority: TimestampAuthority;
  readonly digest: Uint8Array;
  readonly random: Random;
  readonly roots: readonly string[] | null;
}): Promise<{ readonly token: Uint8Array; readonly timestamp: VerifiedTimestamp }> {
  const { der, nonceHex } = createTimestampRequest(options);
  const token = parseTimestampResponse(await options.authority.request(der));
  return { token, timestamp: verifyTimestamp({ ...options, token, nonceHex }) };
}
