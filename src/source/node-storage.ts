/** The Storage port over node:fs. */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { toErrno } from './errno.ts';
import { openDescriptor, toDescriptorSource } from './file.ts';
import { cloneDescriptor } from './clone.ts';
import { findPlainFile } from './plain-file.ts';
import type { Storage, StorageFile } from './ports.ts';

const noFollow = (constants as { O_NOFOLLOW?: number }).O_NOFOLLOW ?? 0;

/** The real file system. Failed writes throw WRITE_FAILED (or WRITE_EXISTS), failed reads SOURCE_… codes. */
export const nodeStorage: Storage = {
  exists(path) {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  },
  list(path) {
    try {
      return readdirSync(path).sort();
    } catch (cause) {
      if (toErrno(cause) === 'ENOENT') return [];
      throw new SourceError('SOURCE_UNREADABLE', { fields: toFields(path, cause), cause });
    }
  },
  read(path) {
    const label = basename(path);
    // Devices and pipes are refused: they may have no end.
    const source = toDescriptorSource(openDescriptor(path, label), label);
    try {
      const { size } = source;
      if (size > LIMITS.wholeFileBytesMax) {
        const fields = { file: label, sizeBytes: size, bytesMax: LIMITS.wholeFileBytesMax };
        throw new SourceError('SOURCE_UNREADABLE', { message: 'The file is too large to be read whole.', fields });
      }
      const bytes = new Uint8Array(size);
      source.read(0, bytes);
      return bytes;
    } finally {
      source.close();
    }
  },
  makeFolder(path, mode) {
    writing(path, () => mkdirSync(path, { recursive: true, mode }));
  },
  create(path, mode) {
    // O_EXCL with O_NOFOLLOW: a link planted under the name cannot redirect the write (CVE-2025-51480).
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow;
    return toStorageFile(
      path,
      writing(path, () => openSync(path, flags, mode)),
    );
  },
  openForUpdate(path) {
    return toStorageFile(
      path,
      writing(path, () => openSync(path, constants.O_RDWR | noFollow)),
    );
  },
  rename(from, to) {
    writing(to, () => {
      renameSync(from, to);
    });
  },
  renameToFree(from, to) {
    writing(to, () => {
      moveToFree(from, to);
    });
  },
  remove(path) {
    writing(path, () => {
      unlinkSync(path);
    });
  },
  removeFolder(path) {
    writing(path, () => {
      rmdirSync(path);
    });
  },
  syncFolder(path) {
    // Windows cannot open folders; NTFS journals renames by itself.
    if (process.platform === 'win32') return;
    writing(path, () => {
      const fd = openSync(path, constants.O_RDONLY);
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    });
  },
};

/** File systems without hard links (FAT, some network shares) say one of these. */
const LINKLESS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** A rename would replace what another process has put there since anyone looked; a second link is refused instead. */
function moveToFree(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!LINKLESS.has(toErrno(error))) throw error;
    // The best that such a file system allows: two that look in the same instant both go on.
    if (nodeStorage.exists(to)) throw new SourceError('WRITE_EXISTS', { fields: { file: basename(to) } });
    renameSync(from, to);
    return;
  }
  unlinkSync(from);
}

function toStorageFile(path: string, fd: number): StorageFile {
  return {
    write(offset, bytes) {
      writing(path, () => {
        for (let done = 0; done < bytes.length; ) {
          done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
        }
      });
    },
    cloneFrom(source) {
      const from = findPlainFile(source);
      return from !== undefined && writing(path, () => cloneDescriptor(from.fd, fd));
    },
    takeAttributes(source) {
      const from = findPlainFile(source);
      if (from !== undefined) copyAttributes(from.fd, fd);
    },
    truncate(size) {
      writing(path, () => {
        ftruncateSync(fd, size);
      });
    },
    sync() {
      writing(path, () => {
        fsyncSync(fd);
      });
    },
    close() {
      closeSync(fd);
    },
  };
}

function copyAttributes(from: number, to: number): void {
  const { uid, gid, mode } = fstatSync(from);
  const isOwn = tryTo(() => {
    fchownSync(to, uid, gid);
  });
  const isOfGroup =
    isOwn ||
    tryTo(() => {
      fchownSync(to, -1, gid);
    });
  // Bits that were meant for one group must not serve another. Some file systems have no bits to set.
  tryTo(() => {
    fchmodSync(to, mode & (isOfGroup ? 0o777 : 0o707));
  });
}

/** Only root may give a file away; others keep what they can. True when it worked. */
function tryTo(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

function writing<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (cause instanceof SourceError) throw cause;
    const code = toErrno(cause) === 'EEXIST' ? 'WRITE_EXISTS' : 'WRITE_FAILED';
    throw new SourceError(code, { fields: toFields(path, cause), cause });
  }
}

function toFields(path: string, cause: unknown): { file: string; errno: string } {
  return { file: basename(path), errno: toErrno(cause) };
}
