/** A device key in a file that only its user reads: whoever copies the file has the key, and so it is marked. */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { allocSecret, zeroize } from '../../core/bytes.ts';
import { LicenseError } from '../../core/errors.ts';
import type { DeviceKey, EcPublicJwk } from '../../license/ports.ts';
import { writeFileAtomic } from '../../source/atomic.ts';
import type { Storage } from '../../source/ports.ts';

const MODE = 0o600;
/** A P-256 key as DER PKCS#8 is 138 bytes. */
const KEY_BYTES_MAX = 256;

/**
 * Makes the key: DER PKCS#8, mode 0600, never over another.
 * @throws LicenseError LICENSE_DEVICE_KEY_EXISTS; SourceError WRITE_FAILED
 */
export function createSoftwareKey(storage: Storage, path: string): DeviceKey {
  if (storage.exists(path)) throw new LicenseError('LICENSE_DEVICE_KEY_EXISTS');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const bytes = privateKey.export({ type: 'pkcs8', format: 'der' });
  try {
    const write = (sink: { write(chunk: Uint8Array): void }): void => {
      sink.write(bytes);
    };
    writeFileAtomic({ storage, path, mode: MODE, replace: false, write });
  } finally {
    zeroize(bytes);
  }
  return toDeviceKey(privateKey);
}

/** @throws LicenseError LICENSE_DEVICE_KEY_MISSING | LICENSE_DEVICE_KEY_INVALID for a link, other modes, or another key */
export function openSoftwareKey(path: string): DeviceKey {
  const bytes = readPrivate(path);
  try {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
    if (privateKey.asymmetricKeyDetails?.namedCurve === 'prime256v1') return toDeviceKey(privateKey);
  } catch {
    // OpenSSL errors of private keys are not to be printed: no cause is kept.
  } finally {
    zeroize(bytes);
  }
  throw toInvalid('content');
}

function toDeviceKey(privateKey: KeyObject): DeviceKey {
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  return {
    assurance: 'software',
    publicKey: { kty: 'EC', crv: 'P-256', x, y },
    agree: (peer) => {
      const shared = diffieHellman({ privateKey, publicKey: toPoint(peer) });
      const secret = allocSecret(shared.length);
      secret.set(shared);
      zeroize(shared);
      return Promise.resolve(secret);
    },
  };
}

/** OpenSSL refuses what is not on the curve. */
function toPoint(peer: EcPublicJwk): KeyObject {
  try {
    return createPublicKey({ key: { ...peer }, format: 'jwk' });
  } catch (cause) {
    throw new LicenseError('LICENSE_KEY_REFUSED', { cause });
  }
}

function readPrivate(path: string): Uint8Array {
  const fd = openPlain(path);
  try {
    // The descriptor, not the path: what was checked is what is read. Windows has no such modes.
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > KEY_BYTES_MAX) throw toInvalid('not a key file');
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) throw toInvalid('mode');
    const bytes = allocSecret(stat.size);
    readSync(fd, bytes, 0, bytes.length, 0);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function openPlain(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw isMissing ? new LicenseError('LICENSE_DEVICE_KEY_MISSING') : toInvalid('cannot be opened');
  }
}

function toInvalid(fault: string): LicenseError {
  return new LicenseError('LICENSE_DEVICE_KEY_INVALID', { fields: { fault } });
}
