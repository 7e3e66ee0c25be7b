/** The spool of a stream in a folder of the file system. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { SpoolFile, SpoolFolder } from '../../gateway/ports.ts';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/**
 * Makes the folder, for its owner alone, when it is not there. Errors are those of the file system.
 * @param path absolute; the folder above must be there
 */
export function openSpoolFolder(path: string): SpoolFolder {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return {
    create: (name) => createFile(join(path, name)),
    list: () =>
      readdirSync(path)
        .filter((name) => name.endsWith('.spool'))
        .sort(),
    read: (name, offset, bytesMax) => readFile(join(path, name), offset, bytesMax),
    remove: (name) => {
      unlinkSync(join(path, name));
    },
  };
}

/** As a process does that was killed behind its last row: the next one tells the stream's newest checkpoint again. */
export function leaveStream(spoolRoot: string, stream: string): void {
  try {
    openSpoolFolder(join(spoolRoot, stream)).create(FIRST).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

const FIRST = '000000000000.spool';

function createFile(path: string): SpoolFile {
  const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  return {
    append: (bytes) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    },
    truncate: (lengthBytes) => {
      ftruncateSync(fd, lengthBytes);
    },
    close: () => {
      closeSync(fd);
    },
  };
}

function readFile(path: string, offset: number, bytesMax: number): Uint8Array {
  const fd = openSync(path, O_RDONLY | O_NOFOLLOW);
  try {
    const length = Math.max(0, Math.min(bytesMax, fstatSync(fd).size - offset));
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const count = readSync(fd, bytes, at, length - at, offset + at);
      if (count === 0) break;
      at += count;
    }
    return bytes.subarray(0, at);
  } finally {
    closeSync(fd);
  }
}
