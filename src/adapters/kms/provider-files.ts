/** Files that providers read: credentials that only their owner can read, and public ones; bounded. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { allocSecret, zeroize } from '../../core/bytes.ts';
import { SealError } from '../../core/errors.ts';
import { SEAL_LIMITS } from '../../core/limits/seal.ts';

export interface ProviderFiles {
  /** The user's home folder. */
  readonly home: string;
  /**
   * A file with a secret in it, in a buffer of its own that the caller wipes; null when there is none.
   * @throws SealError KEY_CREDENTIALS_UNSAFE when others can read it or it is no plain file; KEY_CREDENTIALS_INVALID
   *   when it is too large
   */
  findSecret(path: string): Uint8Array | null;
  /** A file without a secret; null when there is none. @throws SealError KEY_CREDENTIALS_INVALID when it is too large */
  findPublic(path: string): Uint8Array | null;
}

/** Files of this machine; `home` is the user's home folder. */
export function openProviderFiles(home: string): ProviderFiles {
  return {
    home,
    findSecret: (path) => findFile(path, { isSecret: true }),
    findPublic: (path) => findFile(path, { isSecret: false }),
  };
}

function findFile(path: string, kind: { readonly isSecret: boolean }): Uint8Array | null {
  const fd = findDescriptor(path);
  if (fd === null) return null;
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw toUnsafe(path, 'not a plain file');
    // Links are followed, since container platforms mount secrets as links; what they lead to is checked.
    if (kind.isSecret && process.platform !== 'win32') {
      if ((stat.mode & 0o077) !== 0) throw toUnsafe(path, `mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')}`);
      if (stat.uid !== process.geteuid?.()) throw toUnsafe(path, 'owner');
    }
    if (stat.size > SEAL_LIMITS.credentialsBytesMax) throw toInvalid(path);
    return readWhole(fd, stat.size, path);
  } finally {
    closeSync(fd);
  }
}

function findDescriptor(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
    throw toUnsafe(path, 'cannot be opened');
  }
}

function readWhole(fd: number, sizeBytes: number, path: string): Uint8Array {
  const bytes = allocSecret(sizeBytes);
  for (let at = 0; at < sizeBytes; ) {
    const count = readSync(fd, bytes, at, sizeBytes - at, at);
    if (count === 0) {
      zeroize(bytes);
      throw toInvalid(path);
    }
    at += count;
  }
  return bytes;
}

function toUnsafe(path: string, fault: string): SealError {
  return new SealError('KEY_CREDENTIALS_UNSAFE', { fields: { file: basename(path), fault } });
}

function toInvalid(path: string): SealError {
  return new SealError('KEY_CREDENTIALS_INVALID', { fields: { file: basename(path) } });
}
