/** A certificate authority for tests: hand-made DER, really signed, with every field free to be wrong. */
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { concatBytes, findHexBytes, utf8 } from '../../../src/core/bytes.ts';
import { encodeDer, encodeOid, TAG, toContextTag } from '../../../src/core/der.ts';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const makeP256 = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const makeP384 = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-384' });
export const makeRsa = (): KeyPair => generateKeyPairSync('rsa', { modulusLength: 2048 });

export interface ExtensionSpec {
  readonly oid: string;
  readonly isCritical?: boolean;
  readonly value: Uint8Array;
}

/** Extended key usage. */
export function toPurposes(...oids: readonly string[]): ExtensionSpec {
  return { oid: '2.5.29.37', value: seq(...oids.map(encodeOid)) };
}

export interface CertificateSpec {
  readonly commonName: string;
  readonly key: KeyPair;
  /** Itself without one. */
  readonly issuer?: Issued;
  readonly serial?: number;
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly isAuthority?: boolean;
  readonly pathLength?: number;
  /** First byte of the bits. */
  readonly keyUsage?: number | null;
  readonly extensions?: readonly ExtensionSpec[];
  /** Signs in the issuer's name with another key. */
  readonly signer?: KeyPair;
}

export interface Issued {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly key: KeyPair;
  readonly name: Uint8Array;
  readonly commonName: string;
}

const seq = (...parts: readonly Uint8Array[]) => encodeDer(TAG.sequence, ...parts);
const integer = (...bytes: readonly number[]) => encodeDer(TAG.integer, Uint8Array.from(bytes));
export const octets = (bytes: Uint8Array) => encodeDer(TAG.octets, bytes);

/** A positive INTEGER. */
export function toInteger(value: number): Uint8Array {
  const hex = value.toString(16);
  const bytes = findHexBytes(hex.padStart(hex.length + (hex.length % 2), '0')) ?? new Uint8Array();
  return bytes[0] >= 0x80 ? integer(0, ...bytes) : integer(...bytes);
}

export function toName(commonName: string): Uint8Array {
  return seq(encodeDer(TAG.set, seq(encodeOid('2.5.4.3'), encodeDer(TAG.utf8, utf8(commonName)))));
}

export function toTime(iso: string): Uint8Array {
  const digits = iso.replace(/\D/g, '').slice(0, 14);
  if (Number(digits.slice(0, 4)) >= 2050) return encodeDer(TAG.generalizedTime, utf8(`${digits}Z`));
  return encodeDer(TAG.utcTime, utf8(`${digits.slice(2)}Z`));
}

const SHA384 = seq(encodeOid('2.16.840.1.101.3.4.2.2'), encodeDer(TAG.null));
const PSS = seq(
  encodeOid('1.2.840.113549.1.1.10'),
  seq(
    encodeDer(toContextTag(0), SHA384),
    encodeDer(toContextTag(1), seq(encodeOid('1.2.840.113549.1.1.8'), SHA384)),
    encodeDer(toContextTag(2), integer(48)),
  ),
);

function toAlgorithm({ privateKey }: KeyPair): {
  readonly der: Uint8Array;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
} {
  if (privateKey.asymmetricKeyType === 'rsa') {
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
    return { der: PSS, sign: (bytes) => sign('sha384', bytes, { key: privateKey, ...padding }) };
  }
  const is384 = privateKey.asymmetricKeyDetails?.namedCurve === 'secp384r1';
  const oid = encodeOid(is384 ? '1.2.840.10045.4.3.3' : '1.2.840.10045.4.3.2');
  return { der: seq(oid), sign: (bytes) => sign(is384 ? 'sha384' : 'sha256', bytes, privateKey) };
}

const toBits = (bytes: Uint8Array) => encodeDer(TAG.bits, Uint8Array.of(0), bytes);

function toExtension({ oid, isCritical, value }: ExtensionSpec): Uint8Array {
  const critical = isCritical === true ? encodeDer(TAG.boolean, Uint8Array.of(0xff)) : new Uint8Array();
  return seq(encodeOid(oid), critical, octets(value));
}

function standardExtensions({ isAuthority = false, pathLength, keyUsage }: CertificateSpec): ExtensionSpec[] {
  const usage = keyUsage === undefined ? (isAuthority ? 0x06 : 0xc0) : keyUsage;
  const length = pathLength === undefined ? new Uint8Array() : toInteger(pathLength);
  const constraints = isAuthority ? seq(encodeDer(TAG.boolean, Uint8Array.of(0xff)), length) : seq();
  return [
    { oid: '2.5.29.19', isCritical: true, value: constraints },
    ...(usage === null
      ? []
      : [
          {
            oid: '2.5.29.15',
            isCritical: true,
            value: encodeDer(TAG.bits, Uint8Array.of(usage === 0x06 ? 1 : 6, usage)),
          },
        ]),
  ];
}

export function issue(spec: CertificateSpec): Issued {
  const {
    commonName,
    key,
    issuer,
    serial = 1,
    notBefore = '2024-01-01T00:00:00Z',
    notAfter = '2034-01-01T00:00:00Z',
  } = spec;
  const signer = toAlgorithm(spec.signer ?? issuer?.key ?? key);
  const name = toName(commonName);
  const body = seq(
    encodeDer(toContextTag(0), integer(2)),
    toInteger(serial),
    signer.der,
    issuer?.name ?? name,
    seq(toTime(notBefore), toTime(notAfter)),
    name,
    new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' })),
    encodeDer(toContextTag(3), seq(...[...standardExtensions(spec), ...(spec.extensions ?? [])].map(toExtension))),
  );
  const der = seq(body, signer.der, toBits(signer.sign(body)));
  return { der, pem: toPem('CERTIFICATE', der), key, name, commonName };
}

export interface CrlSpec {
  readonly issuer: Issued;
  readonly revoked?: readonly number[];
  readonly thisUpdate?: string;
  readonly nextUpdate?: string;
  readonly signer?: KeyPair;
  readonly extensions?: readonly ExtensionSpec[];
}

export function issueCrl(spec: CrlSpec): Uint8Array {
  const { issuer, revoked = [], thisUpdate = '2025-06-01T00:00:00Z', nextUpdate = '2025-08-01T00:00:00Z' } = spec;
  const signer = toAlgorithm(spec.signer ?? issuer.key);
  const entries = revoked.map((serial) => seq(toInteger(serial), toTime(thisUpdate)));
  const extensions = [{ oid: '2.5.29.20', value: integer(1) }, ...(spec.extensions ?? [])];
  const body = seq(
    integer(1),
    signer.der,
    issuer.name,
    toTime(thisUpdate),
    toTime(nextUpdate),
    ...(entries.length === 0 ? [] : [seq(...entries)]),
    encodeDer(toContextTag(0), seq(...extensions.map(toExtension))),
  );
  return seq(body, signer.der, toBits(signer.sign(body)));
}

export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** ECDSA as r and s. */
export function signRaw(hash: string, bytes: Uint8Array, { privateKey }: KeyPair): Uint8Array {
  return new Uint8Array(sign(hash, bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' }));
}

/** A copy with one bit turned over. */
export function flip(bytes: Uint8Array, at: number, bit = 0): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] ^= 1 << bit;
  return copy;
}

export { concatBytes, encodeDer, encodeOid, seq, TAG };
