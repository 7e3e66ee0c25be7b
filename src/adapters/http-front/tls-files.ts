/** Certificates, key and lists of the server, read from their files and checked before they are used. */
import { createPrivateKey, createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { open } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { type ErrorCode, TlsError } from '../../core/errors.ts';
import { isKeyExposed } from '../../core/file-modes.ts';
import { HTTP_FRONT_LIMITS } from '../../core/limits/http-front.ts';
import type { HttpFrontTls } from './types.ts';

/** What the files held at one time. */
export interface TlsFiles {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  /** Others may read the file of the private key. */
  readonly isKeyExposed: boolean;
  readonly clientAuthorities: Buffer | null;
  readonly revocations: Buffer | null;
  /** SHA-256 over all of them and who may read the key, and over those that say which clients are let in. */
  readonly digest: string;
  readonly clientsDigest: string;
}

/** Ready to be shown to clients. */
export interface TlsMaterial {
  readonly files: TlsFiles;
  readonly options: SecureContextOptions;
  readonly notAfterMs: number;
}

/** @throws TlsError TLS_FILE_UNREADABLE */
export async function readTlsFiles(tls: HttpFrontTls): Promise<TlsFiles> {
  const asksClients = tls.clientCertificates !== 'none';
  const [certificate, key, authorities, lists] = await Promise.all([
    readPart('certificate', tls.certificatePath),
    readPart('private key', tls.privateKeyPath),
    asksClients ? readPart('client authorities', tls.clientAuthoritiesPath) : null,
    asksClients && tls.revocationsPath !== undefined ? readPart('revocation lists', tls.revocationsPath) : null,
  ]);
  const clients = [authorities?.bytes ?? null, lists?.bytes ?? null];
  const exposure = Buffer.of(key.isExposed ? 1 : 0);
  return {
    ...{ certificate: certificate.bytes, privateKey: key.bytes, isKeyExposed: key.isExposed },
    ...{ clientAuthorities: clients[0], revocations: clients[1] },
    digest: toDigest([certificate.bytes, key.bytes, exposure, ...clients]),
    clientsDigest: toDigest(clients),
  };
}

interface Part {
  readonly bytes: Buffer;
  readonly isExposed: boolean;
}

/** One more byte than is taken is read, so that a file that grows meanwhile is found out. */
async function readPart(part: string, path: string | undefined): Promise<Part> {
  try {
    const file = await open(path ?? '', 'r');
    try {
      const bytes = Buffer.alloc(HTTP_FRONT_LIMITS.tlsFileBytesMax + 1);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      if (bytesRead === bytes.length) throw new TlsError('TLS_FILE_UNREADABLE', { fields: { part } });
      const isExposed = isKeyExposed(await file.stat(), process.platform);
      return { bytes: Buffer.from(bytes.subarray(0, bytesRead)), isExposed };
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw cause instanceof TlsError ? cause : new TlsError('TLS_FILE_UNREADABLE', { fields: { part }, cause });
  }
}

function toDigest(parts: readonly (Buffer | null)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(`${part?.length ?? -1}.`);
    if (part !== null) hash.update(part);
  }
  return hash.digest('hex');
}

/**
 * Checks that a client could verify what the server would show: each certificate issued by the next, all of them valid at
 * `nowMs`, and the key that of the first.
 * @throws TlsError TLS_CERTIFICATE_MALFORMED | TLS_CHAIN_BROKEN | TLS_CERTIFICATE_EXPIRED | TLS_KEY_EXPOSED | TLS_KEY_MALFORMED |
 * TLS_KEY_MISMATCH | TLS_AUTHORITIES_MALFORMED | TLS_REVOCATIONS_MALFORMED
 */
export function toTlsMaterial(files: TlsFiles, nowMs: number): TlsMaterial {
  if (files.isKeyExposed) throw new TlsError('TLS_KEY_EXPOSED');
  const chain = parseCertificates(files.certificate, 'TLS_CERTIFICATE_MALFORMED');
  assertChain(chain);
  const notAfterMs = assertValid(chain, nowMs);
  assertKey(chain[0], files.privateKey);
  const { clientAuthorities, revocations } = files;
  if (clientAuthorities !== null) assertAuthorities(clientAuthorities);
  const options: SecureContextOptions = {
    cert: files.certificate,
    key: files.privateKey,
    ...(clientAuthorities === null ? {} : { ca: clientAuthorities }),
    // Without it OpenSSL's own default comes back, and with it TLS 1.2: to be given with each new context.
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
  };
  assertTaken(options, 'TLS_CERTIFICATE_MALFORMED');
  if (revocations === null) return { files, options, notAfterMs };
  const withLists = { ...options, crl: revocations };
  assertTaken(withLists, 'TLS_REVOCATIONS_MALFORMED');
  return { files, options: withLists, notAfterMs };
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** @throws TlsError `code` */
function parseCertificates(pem: Buffer, code: ErrorCode): X509Certificate[] {
  const texts = pem.toString('latin1').match(PEM_CERTIFICATE) ?? [];
  if (texts.length === 0 || texts.length > HTTP_FRONT_LIMITS.tlsCertificatesMax) throw new TlsError(code);
  try {
    return texts.map((text) => new X509Certificate(text));
  } catch {
    // OpenSSL's message may quote the file.
    throw new TlsError(code);
  }
}

/** @throws TlsError TLS_CHAIN_BROKEN */
function assertChain(chain: readonly X509Certificate[]): void {
  for (let at = 1; at < chain.length; at++) {
    const [below, above] = [chain[at - 1], chain[at]];
    if (!above.ca || !below.checkIssued(above) || !below.verify(above.publicKey)) {
      throw new TlsError('TLS_CHAIN_BROKEN', { fields: { certificate: at } });
    }
  }
}

/** When the first of them ends, milliseconds since 1970. @throws TlsError TLS_CERTIFICATE_EXPIRED */
function assertValid(chain: readonly X509Certificate[], nowMs: number): number {
  const ends = chain.map(({ validTo }) => Date.parse(validTo));
  const at = chain.findIndex(({ validFrom }, n) => !(Date.parse(validFrom) <= nowMs && nowMs < ends[n]));
  if (at >= 0) throw new TlsError('TLS_CERTIFICATE_EXPIRED', { fields: { certificate: at + 1 } });
  return Math.min(...ends);
}

/** @throws TlsError TLS_KEY_MALFORMED | TLS_KEY_MISMATCH */
function assertKey(certificate: X509Certificate, pem: Buffer): void {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new TlsError('TLS_KEY_MALFORMED');
  }
  if (!certificate.checkPrivateKey(key)) throw new TlsError('TLS_KEY_MISMATCH');
}

/** @throws TlsError TLS_AUTHORITIES_MALFORMED */
function assertAuthorities(pem: Buffer): void {
  const authorities = parseCertificates(pem, 'TLS_AUTHORITIES_MALFORMED');
  if (!authorities.every(({ ca }) => ca)) throw new TlsError('TLS_AUTHORITIES_MALFORMED');
}

/** @throws TlsError `code` */
function assertTaken(options: SecureContextOptions, code: ErrorCode): void {
  try {
    createSecureContext(options);
  } catch {
    throw new TlsError(code);
  }
}
