/** A whole output folder that appears at once: written beside its target, synced, then renamed into place. */
import { dirname, join } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { assertAbsent, writeAll } from './atomic.ts';
import { claimSibling, cleanLeftovers, nodeRun, type RunIdentity, removeTree } from './leftovers.ts';
import { findContainedParts } from './names.ts';
import type { Storage, StorageFile } from './ports.ts';
import { type RewriteSink, toRewriteSink } from './rewrite-sink.ts';

export interface StageFolderOptions {
  readonly storage: Storage;
  /** Absolute path of the folder to make. Its parent must exist. */
  readonly target: string;
  /** Permission bits of the folder and its subfolders; default 0o755. */
  readonly mode?: number;
  /** True: an existing target is replaced on commit. Default false: it is an error, at once and on commit. */
  readonly replace?: boolean;
  readonly run?: RunIdentity;
}

/** A file of a staged folder: bytes are appended, `close` makes them durable. */
export interface StagedFile extends RewriteSink {
  close(): void;
}

export interface StagedFolder {
  /** Where the files lie until commit. */
  readonly path: string;
  /** Starts a new file; `name` is relative with "/", and may name subfolders. `mode` before the umask. */
  file(name: string, mode: number): StagedFile;
  /** Writes a whole file. */
  write(name: string, mode: number, write: (sink: RewriteSink) => void): void;
  /** Syncs everything and puts the folder in place with one rename. No call may follow. */
  commit(): void;
  /** Leaves nothing behind. Does nothing after commit. */
  abort(): void;
}

/**
 * Opens a staging folder beside `target`, after cleaning those that dead runs left there.
 *
 * A kill at any moment leaves the target as it was or complete. Replacing an existing folder takes two renames (POSIX
 * cannot exchange folders portably); when the run dies between them, the next call puts the old folder back.
 * @throws SourceError WRITE_EXISTS | WRITE_OUTSIDE_FOLDER | WRITE_FAILED
 */
export function stageFolder(options: StageFolderOptions): StagedFolder {
  const { storage, target } = options;
  const run = options.run ?? nodeRun;
  const mode = options.mode ?? 0o755;
  cleanLeftovers(storage, target, run);
  if (options.replace !== true) assertAbsent(storage, target);
  const part = claimSibling(storage, target, 'part', run);
  storage.makeFolder(part.path, mode);
  const folders = new Set([part.path]);
  const open = new Set<StorageFile>();
  let state: 'open' | 'ended' = 'open';

  const create = (name: string, fileMode: number): StorageFile => {
    if (state === 'ended') throw new TypeError('the staged folder is committed or aborted');
    const parts = findContainedParts(name);
    if (parts === undefined) throw new SourceError('WRITE_OUTSIDE_FOLDER', { fields: { name } });
    let at = part.path;
    for (const folder of parts.slice(0, -1)) {
      at = join(at, folder);
      if (!folders.has(at)) storage.makeFolder(at, mode);
      folders.add(at);
    }
    return storage.create(join(at, parts.at(-1)!), fileMode);
  };

  return {
    path: part.path,
    file(name, fileMode) {
      const file = create(name, fileMode);
      open.add(file);
      return {
        ...toRewriteSink(file),
        close() {
          if (!open.delete(file)) return;
          writeAll(file, () => undefined);
        },
      };
    },
    write(name, fileMode, write) {
      writeAll(create(name, fileMode), write);
    },
    commit() {
      if (state === 'ended') throw new TypeError('the staged folder is committed or aborted');
      if (open.size > 0) throw new TypeError('a staged file is still open');
      // Deepest first, so that a folder's entry is durable before its parent is synced.
      for (const folder of [...folders].sort((a, b) => b.length - a.length)) storage.syncFolder(folder);
      moveIntoPlace(options, part.path, run);
      state = 'ended';
      part.release();
      storage.syncFolder(dirname(target));
    },
    abort() {
      if (state === 'ended') return;
      state = 'ended';
      for (const file of open) file.close();
      removeTree(storage, part.path);
      part.release();
    },
  };
}

function moveIntoPlace(options: StageFolderOptions, from: string, run: RunIdentity): void {
  const { storage, target } = options;
  if (options.replace !== true) assertAbsent(storage, target);
  if (!storage.exists(target)) {
    storage.rename(from, target);
    return;
  }
  const old = claimSibling(storage, target, 'old', run);
  storage.rename(target, old.path);
  try {
    storage.rename(from, target);
  } catch (error) {
    storage.rename(old.path, target);
    old.release();
    throw error;
  }
  storage.syncFolder(dirname(target));
  removeTree(storage, old.path);
  old.release();
}
