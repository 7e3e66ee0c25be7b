/** One X.509 certificate, with the fields that decide whether it may sign or issue (RFC 5280 section 4). */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { createDerReader, type DerElement, TAG, toContextTag } from '../core/der.ts';
import { ModelSigningError } from '../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';

export interface Certificate {
  readonly x509: X509Certificate;
  readonly publicKey: KeyObject;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isSelfIssued: boolean;
  /** basicConstraints; null when it is no authority. */
  readonly authority: { readonly pathLengthMax: number | null } | null;
  /** keyUsage; null when it does not say. */
  readonly usage: { readonly digitalSignature: boolean; readonly keyCertSign: boolean } | null;
  /** extendedKeyUsage, OIDs; null when it does not say. */
  readonly purposes: readonly string[] | null;
  /** OIDs of extensions that are not understood here and may not be passed over: critical ones, and name constraints. */
  readonly notUnderstood: readonly string[];
  /** OID of the algorithm that its issuer signed it with. */
  readonly signatureAlgorithm: string;
}

const OID = {
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  /** Says where policies come from; nothing here depends on a policy. */
  certificatePolicies: '2.5.29.32',
  /** Names of the subject; nothing here depends on them. */
  subjectAltName: '2.5.29.17',
} as const;

const UNDERSTOOD: ReadonlySet<string> = new Set(Object.values(OID));

/** Authorities leave them uncritical for old readers, and still mean them (RFC 5280 section 4.2.1.10 forbids that). */
const NAME_CONSTRAINTS = '2.5.29.30';

function refuse(at: string): never {
  throw new ModelSigningError('OMS_CERTIFICATE_MALFORMED', { fields: { at } });
}

const { readDer, toChildren, openFields, openOnly, toOidText } = createDerReader(refuse);

/** @throws ModelSigningError OMS_CERTIFICATE_MALFORMED */
export function parseCertificate(der: Uint8Array): Certificate {
  const { x509, publicKey } = openCertificate(der);
  const outer = openFields(readDer(x509.raw));
  const body = openFields(outer.take(TAG.sequence));
  const signatureAlgorithm = toOidText(openFields(outer.take(TAG.sequence)).take(TAG.oid));
  const wrapped = body.rest().find(({ tag }) => tag === toContextTag(3));
  const extensions = wrapped === undefined ? [] : toChildren(openOnly(wrapped)).map(toExtension);
  const values = new Map(extensions.map((one) => [one.oid, one.value]));
  if (values.size !== extensions.length) refuse('an extension comes twice');
  return {
    x509,
    publicKey,
    notBeforeMs: Date.parse(x509.validFrom),
    notAfterMs: Date.parse(x509.validTo),
    isSelfIssued: x509.issuer === x509.subject && x509.checkIssued(x509) && x509.verify(publicKey),
    authority: toAuthority(values.get(OID.basicConstraints)),
    usage: toUsage(values.get(OID.keyUsage)),
    purposes: toPurposes(values.get(OID.extendedKeyUsage)),
    notUnderstood: extensions
      .filter(({ oid, isCritical }) => oid === NAME_CONSTRAINTS || (isCritical && !UNDERSTOOD.has(oid)))
      .map(({ oid }) => oid),
    signatureAlgorithm,
  };
}

/** OpenSSL reads the key when it is asked for, and throws then when it is of a kind that nobody knows. */
function openCertificate(der: Uint8Array): Pick<Certificate, 'x509' | 'publicKey'> {
  try {
    const x509 = new X509Certificate(der);
    return { x509, publicKey: x509.publicKey };
  } catch (cause) {
    throw new ModelSigningError('OMS_CERTIFICATE_MALFORMED', { cause });
  }
}

function toExtension(element: DerElement) {
  const fields = openFields(element);
  const oid = toOidText(fields.take(TAG.oid));
  const isCritical = isTrue(fields.find(TAG.boolean));
  return { oid, isCritical, value: fields.take(TAG.octets).body };
}

/** A BOOLEAN that may be left out. Other spellings of TRUE are BER, and taken differently by different readers. */
function isTrue(element: DerElement | undefined): boolean {
  if (element === undefined) return false;
  const { body } = element;
  if (body.length !== 1 || (body[0] !== 0 && body[0] !== 0xff)) refuse('boolean');
  return body[0] === 0xff;
}

function toAuthority(value: Uint8Array | undefined): Certificate['authority'] {
  if (value === undefined) return null;
  const fields = openFields(readDer(value));
  if (!isTrue(fields.find(TAG.boolean))) return null;
  const length = fields.find(TAG.integer);
  if (length === undefined) return { pathLengthMax: null };
  if (length.body.length !== 1 || length.body[0] > 0x7f) refuse('path length');
  return { pathLengthMax: length.body[0] };
}

function toUsage(value: Uint8Array | undefined): Certificate['usage'] {
  if (value === undefined) return null;
  const { tag, body } = readDer(value);
  // A BIT STRING: the first byte counts unused bits, bit 0 is the highest of the second.
  if (tag !== TAG.bits || body.length < 2) refuse('key usage');
  return { digitalSignature: (body[1] & 0x80) !== 0, keyCertSign: (body[1] & 0x04) !== 0 };
}

function toPurposes(value: Uint8Array | undefined): Certificate['purposes'] {
  return value === undefined ? null : toChildren(readDer(value)).map(toOidText);
}

/**
 * The certificates of PEM texts, in order.
 * @throws ModelSigningError OMS_CERTIFICATE_MALFORMED, also when there is none, or more than one path may hold
 */
export function parseCertificates(pems: readonly string[]): Certificate[] {
  const blocks = pems.flatMap(
    (pem) => pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? refuse('no certificate'),
  );
  if (blocks.length > MODEL_SIGNING_LIMITS.certificatesMax) refuse(`${blocks.length} certificates`);
  return blocks.map((block) => parseCertificate(Buffer.from(block.replace(/-----[A-Z ]+-----/g, ''), 'base64')));
}
