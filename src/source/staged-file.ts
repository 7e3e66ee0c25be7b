/** One output file whose bytes come over time: written beside its name, synced, then renamed into place. */
import { dirname } from 'node:path';
import { assertAbsent, toSink } from './atomic.ts';
import { claimSibling, cleanLeftovers, nodeRun, type RunIdentity } from './leftovers.ts';
import type { ByteSink, Storage } from './ports.ts';

export interface StageFileOptions {
  readonly storage: Storage;
  /** Absolute. Its folder must exist. */
  readonly path: string;
  /** Permission bits of the new file, before the umask. */
  readonly mode: number;
  /** False: an existing file is an error, at once and on commit. */
  readonly replace: boolean;
  readonly run?: RunIdentity;
}

export interface StagedOutput extends ByteSink {
  /** Syncs the file and gives it its name. No call may follow. */
  commit(): void;
  /** Leaves nothing behind. Does nothing after commit. */
  abort(): void;
}

/**
 * Opens an output file under a hidden name, after cleaning those that dead runs left there. A kill at any moment leaves
 * `path` as it was or complete.
 * @throws SourceError WRITE_EXISTS | WRITE_FAILED
 */
export function stageFile(options: StageFileOptions): StagedOutput {
  const { storage, path, replace } = options;
  const run = options.run ?? nodeRun;
  cleanLeftovers(storage, path, run);
  if (!replace) assertAbsent(storage, path);
  const part = claimSibling(storage, path, 'part', run);
  const file = storage.create(part.path, options.mode);
  let state: 'open' | 'ended' = 'open';
  return {
    ...toSink(file),
    commit() {
      if (state === 'ended') throw new TypeError('the staged file is committed or aborted');
      file.sync();
      if (!replace) assertAbsent(storage, path);
      file.close();
      storage.rename(part.path, path);
      state = 'ended';
      part.release();
      storage.syncFolder(dirname(path));
    },
    abort() {
      if (state === 'ended') return;
      state = 'ended';
      file.close();
      storage.remove(part.path);
      part.release();
    },
  };
}
