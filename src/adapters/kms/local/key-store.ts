/** Reading and writing a key file so that nobody else can: exclusive, mode 0600, no links, replaced atomically. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import { encodeKeyFile, type KeyFile, parseKeyFile } from './key-file.ts';

const MODE = 0o600;

/**
 * Makes the file whole or not at all, and never over another: it gets its name by link(), which has one winner.
 * @throws SealError KEY_STORE_EXISTS | KEY_STORE_UNWRITABLE
 */
export function createKeyStore(path: string, file: KeyFile): void {
  const staged = `${path}.${process.pid}.new`;
  // What a killed process of the same id left wraps nothing: its key never got its name.
  removeIfThere(staged);
  writeNew(staged, file);
  try {
    linkSync(staged, path);
  } catch (cause) {
    throw toUnwritten(path, cause);
  } finally {
    removeIfThere(staged);
  }
  syncFolder(dirname(path));
}

/**
 * @throws SealError KEY_STORE_MISSING; KEY_STORE_UNSAFE for a link, another owner's file, or a mode beyond 0600;
 *   KEY_STORE_INVALID
 */
export function readKeyStore(path: string): KeyFile {
  const fd = openPlain(path);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw toUnsafe(path, 'not a plain file');
    if (process.platform !== 'win32') {
      if ((stat.mode & 0o077) !== 0) throw toUnsafe(path, `mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')}`);
      if (stat.uid !== process.geteuid?.()) throw toUnsafe(path, 'owner');
    }
    if (stat.size > SEAL_LIMITS.keyFileBytesMax) throw new SealError('KEY_STORE_INVALID');
    return readAndParse(fd, stat.size);
  } finally {
    closeSync(fd);
  }
}

/** Replaces the file in one rename. @throws SealError KEY_STORE_UNWRITABLE */
export function replaceKeyStore(path: string, file: KeyFile): void {
  const staged = `${path}.new`;
  // A staged file that a crash left holds a version that wraps nothing yet.
  removeIfThere(staged);
  writeNew(staged, file);
  renameSync(staged, path);
  syncFolder(dirname(path));
}

function openPlain(path: string): number {
  try {
    if (lstatSync(path).isSymbolicLink()) throw toUnsafe(path, 'link');
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof SealError) throw error;
    if (isErrno(error, 'ELOOP')) throw toUnsafe(path, 'link');
    if (!isErrno(error, 'ENOENT')) throw toUnsafe(path, 'cannot be opened');
    throw new SealError('KEY_STORE_MISSING', { fields: { file: basename(path) } });
  }
}

function toUnsafe(path: string, fault: string): SealError {
  return new SealError('KEY_STORE_UNSAFE', { fields: { file: basename(path), fault } });
}

function readAndParse(fd: number, sizeBytes: number): KeyFile {
  const bytes = new Uint8Array(sizeBytes);
  try {
    for (let at = 0; at < sizeBytes; ) {
      const count = readSync(fd, bytes, at, sizeBytes - at, at);
      if (count === 0) throw new SealError('KEY_STORE_INVALID');
      at += count;
    }
    return parseKeyFile(bytes);
  } finally {
    zeroize(bytes);
  }
}

function writeNew(path: string, file: KeyFile): void {
  const bytes = encodeKeyFile(file);
  try {
    const fd = openSync(path, 'wx', MODE);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw toUnwritten(path, error);
  } finally {
    zeroize(bytes);
  }
}

function toUnwritten(path: string, cause: unknown): SealError {
  const code = isErrno(cause, 'EEXIST') ? 'KEY_STORE_EXISTS' : 'KEY_STORE_UNWRITABLE';
  return new SealError(code, { fields: { file: basename(path) }, cause });
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw new SealError('KEY_STORE_UNWRITABLE', { cause: error });
  }
}

function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
