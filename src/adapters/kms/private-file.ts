/** Files that hold key material: only their owner reads them, no links, made once, replaced in one rename. */
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
import { zeroize } from '../../core/bytes.ts';
import { SealError } from '../../core/errors.ts';
import { SEAL_LIMITS } from '../../core/limits/seal.ts';

const MODE = 0o600;

/**
 * Makes the file whole or not at all, and never over another: it gets its name by link(), which has one winner.
 * @param bytes wiped before the call returns
 * @throws SealError KEY_STORE_EXISTS | KEY_STORE_UNWRITABLE
 */
export function createPrivateFile(path: string, bytes: Uint8Array): void {
  const staged = `${path}.${process.pid}.new`;
  try {
    // What a killed process of the same id left wraps nothing: its key never got its name.
    removeIfThere(staged);
    writeNew(staged, bytes);
    linkSync(staged, path);
  } catch (cause) {
    throw toUnwritten(path, cause);
  } finally {
    zeroize(bytes);
    removeIfThere(staged);
  }
  syncFolder(dirname(path));
}

/**
 * Replaces the file in one rename.
 * @param bytes wiped before the call returns
 * @throws SealError KEY_STORE_UNWRITABLE
 */
export function replacePrivateFile(path: string, bytes: Uint8Array): void {
  const staged = `${path}.new`;
  try {
    // A staged file that a crash left holds a version that wraps nothing yet.
    removeIfThere(staged);
    writeNew(staged, bytes);
    renameSync(staged, path);
  } catch (cause) {
    throw toUnwritten(path, cause);
  } finally {
    zeroize(bytes);
  }
  syncFolder(dirname(path));
}

/**
 * Reads the file, hands its bytes to `parse` and wipes them afterwards.
 * @throws SealError KEY_STORE_MISSING; KEY_STORE_UNSAFE for a link, another owner's file, or a mode beyond 0600;
 *   KEY_STORE_INVALID when it is too large or cut; what `parse` throws
 */
export function withPrivateFile<T>(path: string, parse: (bytes: Uint8Array) => T): T {
  const fd = openPlain(path);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw toUnsafe(path, 'not a plain file');
    if (process.platform !== 'win32') {
      if ((stat.mode & 0o077) !== 0) throw toUnsafe(path, `mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')}`);
      if (stat.uid !== process.geteuid?.()) throw toUnsafe(path, 'owner');
    }
    if (stat.size > SEAL_LIMITS.keyFileBytesMax) throw new SealError('KEY_STORE_INVALID');
    return readAndParse(fd, stat.size, parse);
  } finally {
    closeSync(fd);
  }
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

function readAndParse<T>(fd: number, sizeBytes: number, parse: (bytes: Uint8Array) => T): T {
  const bytes = new Uint8Array(sizeBytes);
  try {
    for (let at = 0; at < sizeBytes; ) {
      const count = readSync(fd, bytes, at, sizeBytes - at, at);
      if (count === 0) throw new SealError('KEY_STORE_INVALID');
      at += count;
    }
    return parse(bytes);
  } finally {
    zeroize(bytes);
  }
}

function writeNew(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'wx', MODE);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function toUnwritten(path: string, cause: unknown): SealError {
  if (cause instanceof SealError) return cause;
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
