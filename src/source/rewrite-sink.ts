/** Writes a rewrite into an empty file: patched on a clone of its source where that pays, else streamed. */
import { findPatchPlan, type PatchPlan } from './patches.ts';
import { assertUnchanged } from './plain-file.ts';
import type { ByteSink, ByteSource, StorageFile } from './ports.ts';
import { applyRewrite, createRewriteMemory, type RewriteOp } from './rewrite.ts';

export interface RewriteObserver {
  /** Progress: how many more bytes of the output are done. */
  readonly onBytes?: (count: number) => void;
  /** Gets all bytes of the output in order, for a digest. Without it, bytes that a clone shares are not even read. */
  readonly tap?: ByteSink;
}

/** How a rewrite was written. The bytes are the same. */
export type RewriteWay = 'patched' | 'streamed';

/** A file that bytes are appended to, one by one or as a whole rewrite. */
export interface RewriteSink extends ByteSink {
  /**
   * Appends the output of `ops`; memory is one chunk whatever the size.
   * @throws SourceError SOURCE_CHANGED when a file that it keeps bytes of is no longer as it was opened;
   *   SOURCE_SHORT_READ | WRITE_FAILED
   */
  rewrite(ops: readonly RewriteOp[], observer?: RewriteObserver): RewriteWay;
}

/** A sink into an empty file. */
export function toRewriteSink(file: StorageFile): RewriteSink {
  const sink = toSinkAt(file, 0);
  return {
    write(chunk) {
      sink.write(chunk);
    },
    rewrite(ops, observer = {}) {
      const sources = toSources(ops);
      assertUnchanged(sources);
      const plan = sink.at() === 0 ? findPatchPlan(ops) : null;
      const way = plan !== null && file.cloneFrom?.(plan.base) === true ? 'patched' : 'streamed';
      if (plan !== null && way === 'patched') patch(file, plan, ops, observer);
      else stream(sink, ops, observer);
      assertUnchanged(sources);
      return way;
    },
  };
}

/** A sink that writes from `start` on. */
function toSinkAt(file: StorageFile, start: number): ByteSink & { at: () => number } {
  let at = start;
  return {
    at: () => at,
    write(chunk) {
      file.write(at, chunk);
      at += chunk.length;
    },
  };
}

function toSources(ops: readonly RewriteOp[]): ReadonlySet<ByteSource> {
  return new Set(ops.flatMap((op) => (op.kind === 'bytes' ? [] : [op.source])));
}

function stream(sink: ByteSink, ops: readonly RewriteOp[], { onBytes, tap }: RewriteObserver): void {
  const write = (chunk: Uint8Array): void => {
    tap?.write(chunk);
    sink.write(chunk);
  };
  applyRewrite(ops, { write }, onBytes);
}

function patch(
  file: StorageFile,
  { base, patches }: PatchPlan,
  ops: readonly RewriteOp[],
  { onBytes, tap }: RewriteObserver,
): void {
  const memory = createRewriteMemory();
  for (const { at, ops: inside } of patches) applyRewrite(inside, toSinkAt(file, at), undefined, memory);
  // From the source, whose pages are at hand, and not from the clone, which the system would fetch from the disk.
  if (tap !== undefined) applyRewrite(ops, tap, onBytes, memory);
  else onBytes?.(base.size);
}
