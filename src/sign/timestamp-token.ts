/** RFC 3161 messages: the request, the answer, and the token inside it (RFC 3161 2.4, RFC 5652 5). */
import { SignError } from '../core/errors.ts';
import { SIGN_LIMITS } from '../core/limits/sign.ts';
import type { Random } from '../core/ports.ts';
import {
  type DerElement,
  encodeDer,
  encodeOid,
  openFields,
  openOnly,
  readDer,
  TAG,
  toChildren,
  toContextTag,
  toIntegerHex,
  toOidText,
} from './der.ts';

export const OID = {
  sha256: '2.16.840.1.101.3.4.2.1',
  signedData: '1.2.840.113549.1.7.2',
  tstInfo: '1.2.840.113549.1.9.16.1.4',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
  extendedKeyUsage: '2.5.29.37',
  timeStamping: '1.3.6.1.5.5.7.3.8',
} as const;

/** What the authority states (TSTInfo). */
export interface TimestampInfo {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly genTimeMs: number;
  readonly policy: string;
  readonly serialHex: string;
  readonly imprintAlgorithm: string;
  readonly imprint: Uint8Array;
  /** Null when the token has none. */
  readonly nonceHex: string | null;
}

/** The parts of a token that its verification needs; bytes are exactly those of the token. */
export interface TimestampToken {
  readonly info: TimestampInfo;
  /** DER of TSTInfo: what messageDigest covers. */
  readonly content: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  /** DER of issuer and of serial number of the signer's certificate, or its key identifier. */
  readonly signer:
    | { readonly kind: 'issuer'; readonly issuer: Uint8Array; readonly serial: Uint8Array }
    | { readonly kind: 'keyId'; readonly keyId: Uint8Array };
  readonly digestAlgorithm: string;
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
  /** DER of the signed attributes as SET OF: what the signature covers (RFC 5652 5.4). */
  readonly signedAttributes: Uint8Array;
  /** First value of each signed attribute by OID. */
  readonly attributes: ReadonlyMap<string, DerElement>;
}

function refuse(at: string): never {
  throw new SignError('SIGN_TIMESTAMP_MALFORMED', { fields: { at } });
}

/**
 * A request for a timestamp over a SHA-256 digest, with a fresh nonce and the wish for the certificate.
 * @param options.digest 32 bytes
 * @see RFC 3161 2.4.1
 */
export function createTimestampRequest(options: { readonly digest: Uint8Array; readonly random: Random }): {
  readonly der: Uint8Array;
  readonly nonceHex: string;
} {
  if (options.digest.length !== 32) throw new TypeError('the digest is SHA-256, 32 bytes');
  const nonce = new Uint8Array(16);
  options.random.fill(nonce);
  // A positive INTEGER of full length: DER forbids a leading zero byte, and a set top bit would make it negative.
  nonce[0] = (nonce[0] & 0x3f) | 0x40;
  const algorithm = encodeDer(TAG.sequence, encodeOid(OID.sha256), Uint8Array.of(0x05, 0x00));
  const imprint = encodeDer(TAG.sequence, algorithm, encodeDer(TAG.octets, options.digest));
  const version = encodeDer(TAG.integer, Uint8Array.of(1));
  const wantCertificate = encodeDer(TAG.boolean, Uint8Array.of(0xff));
  const nonceField = encodeDer(TAG.integer, nonce);
  return {
    der: encodeDer(TAG.sequence, version, imprint, nonceField, wantCertificate),
    nonceHex: Buffer.from(nonce).toString('hex'),
  };
}

/**
 * The token of an answer.
 * @returns DER of the ContentInfo, to be stored
 * @throws SignError SIGN_TIMESTAMP_MALFORMED | SIGN_TIMESTAMP_REFUSED (field `status`: RFC 3161 PKIStatus)
 */
export function parseTimestampResponse(der: Uint8Array): Uint8Array {
  if (der.length > SIGN_LIMITS.timestampBytesMax) refuse('size');
  const response = openFields(readDer(der));
  const status = toIntegerHex(openFields(response.take(TAG.sequence)).take(TAG.integer));
  // granted (0) or grantedWithMods (1)
  if (status !== '00' && status !== '01') {
    throw new SignError('SIGN_TIMESTAMP_REFUSED', { fields: { status: Number.parseInt(status.slice(0, 4), 16) } });
  }
  const token = response.take(TAG.sequence);
  if (response.rest().length > 0) refuse('response');
  return token.whole.slice();
}

/** Milliseconds of a GeneralizedTime as RFC 3161 2.4.2 restricts it: UTC, seconds, optional fraction. */
function toTimeMs(element: DerElement): number {
  const text = Buffer.from(element.body).toString('latin1');
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z$/.exec(text);
  if (match === null) refuse('genTime');
  const [, year, month, day, hour, minute, second, fraction] = match;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const ms = Date.parse(`${iso}Z`);
  // Date.parse takes 31 February for 3 March; what does not come back is no date.
  if (!Number.isFinite(ms) || !new Date(ms).toISOString().startsWith(iso)) refuse('genTime');
  return ms + Math.floor(Number(`0${(fraction as string | undefined) ?? '.0'}`) * 1000);
}

function parseInfo(content: Uint8Array): TimestampInfo {
  const fields = openFields(readDer(content));
  if (toIntegerHex(fields.take(TAG.integer)) !== '01') refuse('TSTInfo version');
  const policy = toOidText(fields.take(TAG.oid));
  const imprint = openFields(fields.take(TAG.sequence));
  const imprintAlgorithm = toOidText(openFields(imprint.take(TAG.sequence)).take(TAG.oid));
  const digest = imprint.take(TAG.octets).body;
  const serialHex = toIntegerHex(fields.take(TAG.integer));
  const genTimeMs = toTimeMs(fields.take(TAG.generalizedTime));
  fields.find(TAG.sequence);
  fields.find(TAG.boolean);
  const nonce = fields.find(TAG.integer);
  const nonceHex = nonce === undefined ? null : toIntegerHex(nonce);
  return { genTimeMs, policy, serialHex, imprintAlgorithm, imprint: digest, nonceHex };
}

function parseSigner(fields: ReturnType<typeof openFields>): TimestampToken['signer'] {
  const keyId = fields.find(0x80);
  if (keyId !== undefined) return { kind: 'keyId', keyId: keyId.body };
  const issuerAndSerial = openFields(fields.take(TAG.sequence));
  const issuer = issuerAndSerial.take(TAG.sequence).whole;
  return { kind: 'issuer', issuer, serial: issuerAndSerial.take(TAG.integer).whole };
}

function parseAttributes(element: DerElement): Map<string, DerElement> {
  const attributes = new Map<string, DerElement>();
  for (const one of toChildren(element)) {
    const attribute = openFields(one);
    const oid = toOidText(attribute.take(TAG.oid));
    const values = toChildren(attribute.take(TAG.set));
    // RFC 5652 11: the attributes used here have one instance and one value; two would let readers disagree.
    if (attributes.has(oid) || values.length === 0) refuse('attributes');
    attributes.set(oid, values[0]);
  }
  return attributes;
}

/**
 * Takes a token apart; nothing is verified.
 * @param der ContentInfo
 * @throws SignError SIGN_TIMESTAMP_MALFORMED
 */
export function parseTimestampToken(der: Uint8Array): TimestampToken {
  if (der.length > SIGN_LIMITS.timestampBytesMax) refuse('size');
  const contentInfo = openFields(readDer(der));
  if (toOidText(contentInfo.take(TAG.oid)) !== OID.signedData) refuse('content type');
  const signedData = openFields(openOnly(contentInfo.take(toContextTag(0))));
  signedData.take(TAG.integer);
  signedData.take(TAG.set);
  const encapsulated = openFields(signedData.take(TAG.sequence));
  if (toOidText(encapsulated.take(TAG.oid)) !== OID.tstInfo) refuse('encapsulated type');
  const octets = openOnly(encapsulated.take(toContextTag(0)));
  if (octets.tag !== TAG.octets) refuse('encapsulated content');
  const certificateSet = signedData.find(toContextTag(0));
  const certificates = certificateSet === undefined ? [] : toChildren(certificateSet);
  if (certificates.length > SIGN_LIMITS.timestampCertificatesMax) refuse('certificates');
  signedData.find(toContextTag(1));
  const signers = toChildren(signedData.take(TAG.set));
  // RFC 3161 2.4.2: the token must not contain any signatures other than that of the TSA.
  if (signers.length !== 1) refuse('signers');
  const signerInfo = openFields(signers[0]);
  signerInfo.take(TAG.integer);
  const signer = parseSigner(signerInfo);
  const digestAlgorithm = toOidText(openFields(signerInfo.take(TAG.sequence)).take(TAG.oid));
  const attributeSet = signerInfo.take(toContextTag(0));
  const signedAttributes = attributeSet.whole.slice();
  signedAttributes[0] = TAG.set;
  return {
    info: parseInfo(octets.body),
    content: octets.body,
    certificates: certificates.filter(({ tag }) => tag === TAG.sequence).map(({ whole }) => whole),
    signer,
    digestAlgorithm,
    signatureAlgorithm: toOidText(openFields(signerInfo.take(TAG.sequence)).take(TAG.oid)),
    signature: signerInfo.take(TAG.octets).body,
    signedAttributes,
    attributes: parseAttributes(attributeSet),
  };
}
