/** Authorities, certificate and key for a line, read from their files and checked before they are used. */
import { createHash, createPrivateKey, hash, X509Certificate } from 'node:crypto';
import { open } from 'node:fs/promises';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { GatewayError, TlsError } from '../../core/errors.ts';
import { isKeyExposed } from '../../core/file-modes.ts';
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { UpstreamTls } from './types.ts';

export interface TlsMaterial {
  readonly options: { readonly secureContext: SecureContext };
  readonly servername: string | undefined;
  readonly pins: readonly string[];
  /** SHA-256 over the files. */
  readonly digest: string;
}

/** @throws GatewayError UPSTREAM_TLS_INVALID | UPSTREAM_SETTING_INVALID; TlsError TLS_KEY_EXPOSED */
export async function readTlsMaterial(tls: UpstreamTls): Promise<TlsMaterial> {
  assertSettings(tls);
  const [authorities, certificate, privateKey] = await Promise.all([
    readPart('authorities', tls.authoritiesPath),
    readPart('certificate', tls.certificatePath),
    readPart('private key', tls.privateKeyPath),
  ]);
  if (authorities !== null) assertAuthorities(authorities);
  if (certificate !== null && privateKey !== null) assertPair(certificate, privateKey);
  const options: SecureContextOptions = {
    minVersion: tls.minVersion ?? 'TLSv1.3',
    ...(authorities === null ? {} : { ca: authorities }),
    ...(certificate === null || privateKey === null ? {} : { cert: certificate, key: privateKey }),
  };
  const digest = toDigest([authorities, certificate, privateKey]);
  return { options: { secureContext: toContext(options) }, servername: tls.servername, pins: tls.pins ?? [], digest };
}

/** True without pins. */
export function hasPin(certificate: X509Certificate, pins: readonly string[]): boolean {
  if (pins.length === 0) return true;
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return pins.includes(hash('sha256', spki, 'hex'));
}

const SERVERNAME = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

function assertSettings({ certificatePath, privateKeyPath, servername, pins = [] }: UpstreamTls): void {
  const refuse = (at: string): never => {
    throw new GatewayError('UPSTREAM_SETTING_INVALID', { fields: { at } });
  };
  if ((certificatePath === undefined) !== (privateKeyPath === undefined)) refuse('tls.certificatePath');
  if (servername !== undefined && !SERVERNAME.test(servername)) refuse('tls.servername');
  const arePins = pins.length <= UPSTREAM_LIMITS.pinsMax && pins.every((pin) => /^[0-9a-f]{64}$/.test(pin));
  if (!arePins) refuse('tls.pins');
}

function fail(at: string, cause?: unknown): never {
  throw new GatewayError('UPSTREAM_TLS_INVALID', { fields: { at }, cause });
}

/** One more byte than is taken is read, so that a file that grows meanwhile is found out. */
async function readPart(at: string, path: string | undefined): Promise<Buffer | null> {
  if (path === undefined) return null;
  const bytes = Buffer.alloc(UPSTREAM_LIMITS.tlsFileBytesMax + 1);
  let length: number;
  try {
    const file = await open(path, 'r');
    try {
      if (at === 'private key' && isKeyExposed(await file.stat(), process.platform))
        throw new TlsError('TLS_KEY_EXPOSED');
      length = (await file.read(bytes, 0, bytes.length, 0)).bytesRead;
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof TlsError) throw cause;
    fail(at, cause);
  }
  if (length === bytes.length) fail(at);
  return Buffer.from(bytes.subarray(0, length));
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

function assertAuthorities(pem: Buffer): void {
  const texts = pem.toString('latin1').match(PEM_CERTIFICATE) ?? [];
  try {
    if (texts.length > 0 && texts.every((text) => new X509Certificate(text).ca)) return;
  } catch {
    // OpenSSL's message may quote the file.
  }
  fail('authorities');
}

function assertPair(certificate: Buffer, privateKey: Buffer): void {
  let isPair = false;
  try {
    isPair = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    // As above.
  }
  if (!isPair) fail('private key');
}

function toContext(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(options);
  } catch {
    fail('certificate');
  }
}

function toDigest(parts: readonly (Buffer | null)[]): string {
  const digest = createHash('sha256');
  for (const part of parts) {
    digest.update(`${part?.length ?? -1}.`);
    if (part !== null) digest.update(part);
  }
  return digest.digest('hex');
}
