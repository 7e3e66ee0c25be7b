/** Files that hold key material: only their owner reads them, no links, made once, replaced in one rename. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { zeroize } from '../../core/bytes.ts';
import { SealError } from '../../core/errors.ts';
import { SEAL_LIMITS } from '../../core/limits/seal.ts';
import { removeIfThere, toStagedPath, withFileLock } from './file-lock.ts';

const MODE = 0o600;

/**
 * Makes the file whole or not at all, and never over another: it gets its name by link(), which has one winner.
 * @param bytes wiped before the call returns
 * @throws SealError KEY_STORE_EXISTS | KEY_STORE_UNWRITABLE | KEY_STORE_BUSY
 */
export function createPrivateFile(path: string, bytes: Uint8Array): void {
  try {
    withFileLock(path, () => {
      stage(path, bytes, (staged) => {
        linkSync(staged, path);
      });
    });
  } finally {
    zeroize(bytes);
  }
}

/**
 * Reads the file and replaces it in one rename, while no other process does so: nobody's change is lost.
 * @param change reads the file and gives its new bytes, which are wiped before the call returns
 * @throws SealError KEY_STORE_UNWRITABLE | KEY_STORE_BUSY; what `change` throws
 */
export function updatePrivateFile(path: string, change: () => Uint8Array): void {
  withFileLock(path, () => {
    const bytes = change();
    try {
      stage(path, bytes, (staged) => {
        renameSync(staged, path);
      });
    } finally {
      zeroize(bytes);
    }
  });
}

/** Writes the bytes beside the file, under a name of its own, and lets `name` give them the file's. */
function stage(path: string, bytes: Uint8Array, name: (staged: string) => void): void {
  const staged = toStagedPath(path);
  try {
    // What killed processes left holds old keys, or one that wraps nothing yet.
    removeStaged(path);
    writeNew(staged, bytes);
    name(staged);
  } catch (cause) {
    throw toUnwritten(path, cause);
  } finally {
    removeIfThere(staged);
  }
  syncFolder(dirname(path));
}

/** All that was staged for this file, by whomever: under the lock nobody else is at it. */
function removeStaged(path: string): void {
  const prefix = `${basename(path)}.`;
  const left = readdirSync(dirname(path)).filter(
    (name) => name.startsWith(prefix) && /^(\d+\.([0-9a-f]{16}\.)?)?new$/.test(name.slice(prefix.length)),
  );
  for (const name of left) removeIfThere(join(dirname(path), name));
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
