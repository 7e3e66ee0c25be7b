/** One X.509 certificate: node:crypto for keys and signatures, own reading for what it does not show (RFC 5280 4). */
import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { findBase64Bytes } from '../../core/bytes.ts';
import { type DerElement, TAG, toContextTag, toIntegerHex } from '../../core/der.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { openFields, openOnly, readDer, refuseCertificate, toChildren, toOidText, toTimeMs } from './der.ts';

export interface Extension {
  readonly isCritical: boolean;
  /** Content of the OCTET STRING. */
  readonly value: Uint8Array;
}

export interface Certificate {
  readonly der: Uint8Array;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprintHex: string;
  /** Hex without leading zero bytes. */
  readonly serialHex: string;
  /** DER of the names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Common name of the subject; '' without one. Never trusted to be more than a name. */
  readonly commonName: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isAuthority: boolean;
  /** How many authorities may follow below; null for any number. */
  readonly pathLengthMax: number | null;
  /** Bits of the key usage extension, the first one highest (digitalSignature 0x80, keyCertSign 0x04, cRLSign 0x02); null without it. */
  readonly keyUsage: number | null;
  /** Purposes (OIDs) of the extended key usage extension; null without it. */
  readonly extendedKeyUsage: readonly string[] | null;
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly publicKey: KeyObject;
  /** Whether the signature on this certificate is made with `key`. */
  isSignedBy(key: KeyObject): boolean;
}

export const EXTENSION = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  issuingDistributionPoint: '2.5.29.28',
  crlDistribution: '2.5.29.31',
  policies: '2.5.29.32',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/**
 * @param der one certificate, nothing after it
 * @throws AttestError ATTEST_CERTIFICATE_MALFORMED
 */
export function readCertificate(der: Uint8Array): Certificate {
  if (der.length > ATTEST_LIMITS.certificateBytesMax) refuseCertificate('size');
  const body = openFields(openFields(readDer(der)).take(TAG.sequence));
  body.find(toContextTag(0));
  const serialHex = toIntegerHex(body.take(TAG.integer));
  body.take(TAG.sequence);
  const issuer = body.take(TAG.sequence).whole;
  const validity = toChildren(body.take(TAG.sequence)).map(toTimeMs);
  if (validity.length !== 2) refuseCertificate('validity');
  const subject = body.take(TAG.sequence);
  body.take(TAG.sequence);
  const wrapped = body.rest().find(({ tag }) => tag === toContextTag(3));
  const extensions = wrapped === undefined ? new Map<string, Extension>() : readExtensions(openOnly(wrapped));
  const x509 = toX509(der);
  return {
    ...{ der, serialHex, issuer, extensions, subject: subject.whole, commonName: findCommonName(subject) },
    ...readConstraints(extensions),
    fingerprintHex: createHash('sha256').update(der).digest('hex'),
    notBeforeMs: validity[0],
    notAfterMs: validity[1],
    keyUsage: readKeyUsage(extensions),
    extendedKeyUsage: readExtendedKeyUsage(extensions),
    publicKey: toPublicKey(x509),
    isSignedBy: (key) => isSignedBy(x509, key),
  };
}

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/= \t\r\n]*?)-----END CERTIFICATE-----/g;

/**
 * Certificates of PEM text, in order. Around them, white space and the zero byte that ends the text of a quote: a block that
 * does not read would else be passed over, and a shorter chain judged.
 * @throws AttestError ATTEST_CERTIFICATE_MALFORMED
 */
export function readPemChain(text: string): Certificate[] {
  const blocks = [...text.matchAll(PEM_BLOCK)];
  const isWhole = /^[ \t\r\n\0]*$/.test(text.replace(PEM_BLOCK, ''));
  if (blocks.length === 0 || !isWhole) refuseCertificate('PEM');
  if (blocks.length > ATTEST_LIMITS.chainCertificatesMax) refuseCertificate('certificates');
  return blocks.map(([, base64]) => readCertificate(toDer(base64)));
}

/** DER writes true as 0xff; whatever else is not zero is taken for it, too, as it is the stricter reading. */
function isTrue(element: DerElement | undefined): boolean {
  return element?.body.some((byte) => byte !== 0) ?? false;
}

/** Bytes of base64 in lines. */
function toDer(lines: string): Uint8Array {
  return findBase64Bytes(lines.replace(/[ \t\r\n]/g, '')) ?? refuseCertificate('PEM');
}

/** @throws AttestError ATTEST_CERTIFICATE_MALFORMED for an extension that stands twice */
export function readExtensions(list: DerElement): Map<string, Extension> {
  const children = toChildren(list);
  if (children.length > ATTEST_LIMITS.extensionsMax) refuseCertificate('extensions');
  const found = new Map<string, Extension>();
  for (const child of children) {
    const fields = openFields(child);
    const oid = toOidText(fields.take(TAG.oid));
    const isCritical = isTrue(fields.find(TAG.boolean));
    if (found.has(oid)) refuseCertificate(`extension ${oid} twice`);
    found.set(oid, { isCritical, value: fields.take(TAG.octets).body });
  }
  return found;
}

function readConstraints(extensions: ReadonlyMap<string, Extension>) {
  const extension = extensions.get(EXTENSION.basicConstraints);
  if (extension === undefined) return { isAuthority: false, pathLengthMax: null };
  const fields = openFields(readDer(extension.value));
  const isAuthority = isTrue(fields.find(TAG.boolean));
  const length = fields.find(TAG.integer);
  return { isAuthority, pathLengthMax: length === undefined ? null : Number.parseInt(toIntegerHex(length), 16) };
}

function readKeyUsage(extensions: ReadonlyMap<string, Extension>): number | null {
  const extension = extensions.get(EXTENSION.keyUsage);
  if (extension === undefined) return null;
  const bits = readDer(extension.value);
  if (bits.tag !== TAG.bits || bits.body.length < 2) refuseCertificate('key usage');
  return bits.body[1];
}

function readExtendedKeyUsage(extensions: ReadonlyMap<string, Extension>): readonly string[] | null {
  const extension = extensions.get(EXTENSION.extendedKeyUsage);
  return extension === undefined ? null : toChildren(readDer(extension.value)).map(toOidText);
}

const COMMON_NAME = '2.5.4.3';

/** The first common name of a Name; '' without one. */
function findCommonName(name: DerElement): string {
  for (const set of toChildren(name)) {
    for (const pair of toChildren(set)) {
      const fields = openFields(pair);
      const oid = toOidText(fields.take(TAG.oid));
      const value = fields.rest().at(0) ?? refuseCertificate('name');
      if (oid === COMMON_NAME) return Buffer.from(value.body).toString('utf8');
    }
  }
  return '';
}

function toX509(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new AttestError('ATTEST_CERTIFICATE_MALFORMED', { fields: { at: 'certificate' }, cause });
  }
}

function toPublicKey(x509: X509Certificate): KeyObject {
  try {
    return x509.publicKey;
  } catch (cause) {
    throw new AttestError('ATTEST_CERTIFICATE_MALFORMED', { fields: { at: 'public key' }, cause });
  }
}

function isSignedBy(x509: X509Certificate, key: KeyObject): boolean {
  try {
    return x509.verify(key);
  } catch {
    // A key of another kind than the signature's: OpenSSL throws, and the answer is no.
    return false;
  }
}
