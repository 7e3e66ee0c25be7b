/** The one way a file is written: a hidden sibling, fsync, one rename, fsync of the folder. */
import { dirname } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { claimSibling, cleanLeftovers, nodeRun, type RunIdentity } from './leftovers.ts';
import type { Storage, StorageFile } from './ports.ts';
import { type RewriteSink, toRewriteSink } from './rewrite-sink.ts';

export interface WriteFileOptions {
  readonly storage: Storage;
  /** Absolute. Its folder must exist. */
  readonly path: string;
  /** Permission bits of the new file, before the umask. */
  readonly mode: number;
  /** False: an existing file is an error. Default true: it is replaced in one step. */
  readonly replace?: boolean;
  readonly write: (sink: RewriteSink) => void;
  readonly run?: RunIdentity;
}

/**
 * Writes a file so that, whenever the process dies, `path` holds the whole old or the whole new content.
 * When `write` throws, nothing is left behind. A link under `path` is replaced, never written through.
 * @throws SourceError WRITE_EXISTS | WRITE_FAILED, and whatever `write` throws
 */
export function writeFileAtomic(options: WriteFileOptions): void {
  const { storage, path } = options;
  const run = options.run ?? nodeRun;
  cleanLeftovers(storage, path, run);
  if (options.replace === false) assertAbsent(storage, path);
  const part = claimSibling(storage, path, 'part', run);
  try {
    const file = storage.create(part.path, options.mode);
    try {
      writeAll(file, options.write);
      if (options.replace === false) storage.renameToFree(part.path, path);
      else storage.rename(part.path, path);
    } catch (error) {
      removeQuietly(storage, part.path);
      throw error;
    }
    storage.syncFolder(dirname(path));
  } finally {
    part.release();
  }
}

/** After a failed write the first error counts; what cannot be removed now, the next run cleans. */
function removeQuietly(storage: Storage, path: string): void {
  try {
    storage.remove(path);
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
  }
}

/** Writes, syncs and closes `file`. */
export function writeAll(file: StorageFile, write: (sink: RewriteSink) => void): void {
  try {
    write(toRewriteSink(file));
    file.sync();
  } finally {
    file.close();
  }
}

/** @throws SourceError WRITE_EXISTS */
export function assertAbsent(storage: Storage, path: string): void {
  if (storage.exists(path)) throw new SourceError('WRITE_EXISTS', { fields: { file: path } });
}
