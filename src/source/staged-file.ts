/** One output file whose bytes come over time: written beside its name, synced, then renamed into place. */
import { dirname } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { assertAbsent } from './atomic.ts';
import { claimSibling, cleanLeftovers, nodeRun, type RunIdentity } from './leftovers.ts';
import { isAtPath } from './plain-file.ts';
import type { ByteSource, Storage } from './ports.ts';
import { type RewriteSink, toRewriteSink } from './rewrite-sink.ts';

export interface StageFileOptions {
  readonly storage: Storage;
  /** Absolute. Its folder must exist. */
  readonly path: string;
  /** Permission bits of the new file, before the umask. */
  readonly mode: number;
  /** False: an existing file is an error, at once and on commit. */
  readonly replace: boolean;
  /**
   * The open file at `path`, when the output is an edit of it: its permission bits and owner are kept, and it must still
   * lie there on commit. `replace` must be true.
   */
  readonly edited?: ByteSource;
  readonly run?: RunIdentity;
}

export interface StagedOutput extends RewriteSink {
  /** Syncs the file and gives it its name. No call may follow. */
  commit(): void;
  /** Leaves nothing behind. Does nothing after commit. */
  abort(): void;
}

/**
 * Opens an output file under a hidden name, after cleaning those that dead runs left there. A kill at any moment leaves
 * `path` as it was or complete.
 * @throws SourceError WRITE_EXISTS | WRITE_FAILED; SOURCE_CHANGED, at once and on commit, when another file than `edited`
 *   lies at `path`: replacing it would lose what somebody else wrote
 */
export function stageFile(options: StageFileOptions): StagedOutput {
  const { storage, path, replace, edited } = options;
  const run = options.run ?? nodeRun;
  cleanLeftovers(storage, path, run);
  if (!replace) assertAbsent(storage, path);
  if (edited !== undefined) assertAt(edited, path);
  const part = claimSibling(storage, path, 'part', run);
  const file = storage.create(part.path, options.mode);
  if (edited !== undefined) file.takeAttributes?.(edited);
  let state: 'open' | 'closed' | 'ended' = 'open';
  return {
    ...toRewriteSink(file),
    commit() {
      if (state !== 'open') throw new TypeError('the staged file is committed or aborted');
      file.sync();
      if (edited !== undefined) assertAt(edited, path);
      file.close();
      state = 'closed';
      if (replace) storage.rename(part.path, path);
      else storage.renameToFree(part.path, path);
      state = 'ended';
      part.release();
      storage.syncFolder(dirname(path));
    },
    abort() {
      if (state === 'ended') return;
      if (state === 'open') file.close();
      state = 'ended';
      storage.remove(part.path);
      part.release();
    },
  };
}

/** @throws SourceError SOURCE_CHANGED */
function assertAt(edited: ByteSource, path: string): void {
  if (isAtPath(edited, path)) return;
  throw new SourceError('SOURCE_CHANGED', {
    message: 'Another file has taken the place of the one that was opened.',
    fields: { file: edited.label },
  });
}
