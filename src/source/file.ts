/** A byte source over an open file descriptor: positional reads, regular files only. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { assertInSource } from './buffer.ts';
import { toErrno } from './errno.ts';
import { setPlainFile } from './plain-file.ts';
import type { ByteSource } from './ports.ts';

/**
 * Opens `path` for reading without ever blocking on a pipe; `extraFlags` adds O_NOFOLLOW and the like.
 * @throws SourceError SOURCE_NOT_FOUND | SOURCE_LINK_REFUSED | SOURCE_UNREADABLE
 */
export function openDescriptor(path: string, label: string, extraFlags = 0): number {
  try {
    return openSync(path, constants.O_RDONLY | nonBlocking | extraFlags);
  } catch (cause) {
    const errno = toErrno(cause);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') {
      throw new SourceError('SOURCE_NOT_FOUND', { fields: { file: label, errno }, cause });
    }
    if (errno === 'ELOOP') throw new SourceError('SOURCE_LINK_REFUSED', { fields: { file: label, errno }, cause });
    throw new SourceError('SOURCE_UNREADABLE', { fields: { file: label, errno }, cause });
  }
}

/** Without it, opening a named pipe waits for a writer that may never come. Absent on Windows. */
const nonBlocking = (constants as { O_NONBLOCK?: number }).O_NONBLOCK ?? 0;

/**
 * A source that owns `fd`. The size is taken once: a file that shrinks later fails its reads.
 * @throws SourceError SOURCE_NOT_A_FILE; the descriptor is closed then
 */
export function toDescriptorSource(fd: number, label: string): ByteSource {
  const opened = fstatSync(fd, { bigint: true });
  if (!opened.isFile()) {
    closeSync(fd);
    throw new SourceError('SOURCE_NOT_A_FILE', { fields: { file: label } });
  }
  let open = true;
  const source: ByteSource = {
    label,
    size: Number(opened.size),
    read(offset, into) {
      assertInSource(source, offset, into.length);
      if (!open) throw new TypeError(`${label} is closed`);
      readFully(fd, label, offset, into);
    },
    close() {
      if (open) closeSync(fd);
      open = false;
      setPlainFile(source, null);
    },
  };
  setPlainFile(source, { fd, opened });
  return source;
}

function readFully(fd: number, label: string, offset: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    let count: number;
    try {
      count = readSync(fd, into, done, into.length - done, offset + done);
    } catch (cause) {
      throw new SourceError('SOURCE_UNREADABLE', { fields: { file: label, offset, errno: toErrno(cause) }, cause });
    }
    if (count === 0) throw new SourceError('SOURCE_CHANGED', { fields: { file: label, offset: offset + done } });
    done += count;
  }
}

/**
 * Opens a regular file that the user named; links are followed. Untrusted names go through `openFolder`.
 * @throws SourceError SOURCE_NOT_FOUND | SOURCE_UNREADABLE | SOURCE_NOT_A_FILE
 */
export function openFileSource(path: string): ByteSource {
  const label = basename(path);
  return toDescriptorSource(openDescriptor(path, label), label);
}
