/** Replacements inside one source, as rewrite operations: everything between them is kept verbatim. */
import type { ByteSource } from './ports.ts';
import type { RewriteOp } from './rewrite.ts';

/** Bytes [start, end) of a source, and what stands in their place. start = end inserts. */
export interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly ops: readonly RewriteOp[];
}

/**
 * Operations that copy `source` but for `replacements`; insertions at one place keep their order.
 * @throws TypeError when two replacements overlap; callers report conflicts before
 */
export function toSpliceOps(source: ByteSource, replacements: readonly Replacement[]): readonly RewriteOp[] {
  const sorted = [...replacements].sort((a, b) => a.start - b.start || a.end - b.end);
  const ops: RewriteOp[] = [];
  let at = 0;
  for (const { start, end, ops: inner } of sorted) {
    if (start < at || end < start || end > source.size) throw new TypeError('replacements overlap');
    if (start > at) ops.push({ kind: 'keep', source, start: at, end: start });
    for (const op of inner) ops.push(op);
    at = end;
  }
  if (at < source.size) ops.push({ kind: 'keep', source, start: at, end: source.size });
  return ops;
}
