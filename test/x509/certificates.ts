/** Makes X.509 certificates and chains for tests, without any other program (RFC 5280). */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { concatBytes, utf8 } from '../../src/core/bytes.ts';
import { encodeDer, encodeOid, TAG, toContextTag } from '../../src/core/der.ts';

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface TestCertificate {
  readonly pem: string;
  readonly der: Uint8Array;
  readonly key: TestKey;
  readonly name: string;
}

export interface CertificateOptions {
  readonly name: string;
  /** Self-issued without it. */
  readonly issuer?: TestCertificate;
  readonly key?: TestKey;
  readonly validFrom?: string;
  readonly validTo?: string;
  /** True for an authority; a number is its longest path. */
  readonly isAuthority?: boolean | number;
  /** Key usage bits by name; undefined leaves the extension out. */
  readonly usage?: 'digitalSignature' | 'keyCertSign' | 'keyAgreement';
  /** OIDs; undefined leaves the extension out. */
  readonly purposes?: readonly string[];
  /** A critical extension that nobody knows. */
  readonly criticalOid?: string;
  /** One more extension, not critical. */
  readonly extra?: { readonly oid: string; readonly value: Uint8Array };
  /** How TRUE is spelled; DER has 0xff, BER anything but 0. */
  readonly trueByte?: number;
  readonly digest?: 'sha256' | 'sha1';
}

export const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

const ECDSA = { sha256: '1.2.840.10045.4.3.2', sha1: '1.2.840.10045.4.1' } as const;
const USAGE = {
  digitalSignature: Uint8Array.of(7, 0x80),
  keyCertSign: Uint8Array.of(2, 0x04),
  keyAgreement: Uint8Array.of(3, 0x08),
} as const;

export function makeKey(namedCurve = 'prime256v1'): TestKey {
  return generateKeyPairSync('ec', { namedCurve });
}

const sequence = (...parts: readonly Uint8Array[]): Uint8Array => encodeDer(TAG.sequence, ...parts);

function toName(text: string): Uint8Array {
  return sequence(encodeDer(TAG.set, sequence(encodeOid('2.5.4.3'), encodeDer(TAG.utf8, utf8(text)))));
}

function toTime(iso: string): Uint8Array {
  return encodeDer(TAG.generalizedTime, utf8(`${iso.replace(/[-:T]/g, '').slice(0, 14)}Z`));
}

/** Name constraints that permit the names of one organisation. */
export function toNameConstraints(organisation: string): { oid: string; value: Uint8Array } {
  const text = encodeDer(TAG.utf8, utf8(organisation));
  const name = sequence(encodeDer(TAG.set, sequence(encodeOid('2.5.4.10'), text)));
  const subtree = sequence(encodeDer(toContextTag(4), name));
  return { oid: '2.5.29.30', value: sequence(encodeDer(toContextTag(0), subtree)) };
}

function toExtensions(options: CertificateOptions): Uint8Array {
  const { isAuthority = false, usage, purposes, criticalOid, extra, trueByte = 0xff } = options;
  const yes = encodeDer(TAG.boolean, Uint8Array.of(trueByte));
  const toExtension = (oid: string, isCritical: boolean, value: Uint8Array): Uint8Array =>
    sequence(encodeOid(oid), ...(isCritical ? [yes] : []), encodeDer(TAG.octets, value));
  const length = typeof isAuthority === 'number' ? [encodeDer(TAG.integer, Uint8Array.of(isAuthority))] : [];
  const list = [toExtension('2.5.29.19', true, isAuthority === false ? sequence() : sequence(yes, ...length))];
  if (usage !== undefined) list.push(toExtension('2.5.29.15', true, encodeDer(TAG.bits, USAGE[usage])));
  if (purposes !== undefined) list.push(toExtension('2.5.29.37', false, sequence(...purposes.map(encodeOid))));
  if (criticalOid !== undefined) list.push(toExtension(criticalOid, true, sequence()));
  if (extra !== undefined) list.push(toExtension(extra.oid, false, extra.value));
  return encodeDer(toContextTag(3), sequence(...list));
}

let serial = 1;

/** An ECDSA certificate; valid 2025-01-01 to 2035-01-01 unless told otherwise. */
export function makeCertificate(options: CertificateOptions): TestCertificate {
  const { name, issuer, digest = 'sha256' } = options;
  const key = options.key ?? makeKey();
  const algorithm = sequence(encodeOid(ECDSA[digest]));
  serial += 1;
  const body = sequence(
    encodeDer(toContextTag(0), encodeDer(TAG.integer, Uint8Array.of(2))),
    encodeDer(TAG.integer, Uint8Array.of(1, serial >> 8, serial & 0xff)),
    algorithm,
    toName(issuer?.name ?? name),
    sequence(toTime(options.validFrom ?? '2025-01-01T00:00:00Z'), toTime(options.validTo ?? '2035-01-01T00:00:00Z')),
    toName(name),
    new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' })),
    toExtensions(options),
  );
  const signature = sign(digest, body, (issuer?.key ?? key).privateKey);
  const der = sequence(body, algorithm, encodeDer(TAG.bits, concatBytes(Uint8Array.of(0), signature)));
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return { pem: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`, der, key, name };
}

/** Root, intermediate authority and signing certificate, as a signer of models has them. */
export function makeChain(curve = 'prime256v1') {
  const root = makeCertificate({ name: 'test root', isAuthority: true, usage: 'keyCertSign' });
  const between = makeCertificate({ name: 'test authority', issuer: root, isAuthority: 0, usage: 'keyCertSign' });
  const leaf = makeCertificate({
    name: 'test signer',
    issuer: between,
    key: makeKey(curve),
    usage: 'digitalSignature',
    purposes: [CODE_SIGNING],
  });
  return { root, between, leaf };
}

/** PKCS#8 PEM. */
export function toPrivatePem({ privateKey }: TestKey): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** SPKI PEM. */
export function toPublicPem({ publicKey }: TestKey): string {
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}
