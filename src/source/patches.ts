/** Which rewrites keep every byte where it was but for some spans: those can be made on a clone of the source. */
import { LIMITS } from '../core/limits.ts';
import type { ByteSource } from './ports.ts';
import type { RewriteOp } from './rewrite.ts';

/** A range of the output that is written anew on a copy of the base. */
export interface Patch {
  /** Offset in the base and in the output. */
  readonly at: number;
  readonly ops: readonly RewriteOp[];
}

export interface PatchPlan {
  readonly base: ByteSource;
  /** In order, apart from each other. */
  readonly patches: readonly Patch[];
}

interface Range {
  readonly start: number;
  end: number;
}

/**
 * Patches are widened to whole blocks. A part of a page would make the file system read that page of the clone first, and
 * neighbours become one write: blocks bound the number of patches, whatever the plan.
 */
const BLOCK_BYTES = 64 * 1024;

/**
 * Above this share of touched bytes a rewrite is streamed. Measured on XFS and btrfs, a clone costs what it touches, so the
 * gain is under two times there, and its price is a file in pieces, shared and own ones in turn, that reads slower.
 */
const TOUCHED_SHARE_MAX = 0.5;

/** Of each patch, on average: with less to read between two of them, a disk looks for pieces longer than it reads. */
const BASE_BYTES_PER_PATCH_MIN = LIMITS.streamChunkBytes;

/**
 * The patches that turn a copy of a source into the output of `ops`, or null when it is to be streamed: bytes move, two
 * sources are kept, the size changes, most of the file or very many places of it are touched, or the file is so small
 * that streaming it is one write.
 */
export function findPatchPlan(ops: readonly RewriteOp[]): PatchPlan | null {
  const base = findBase(ops);
  if (base === undefined || base.size <= LIMITS.streamChunkBytes) return null;
  const ranges = toTouchedRanges(ops, base.size);
  const touchedBytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const isWorth =
    touchedBytes <= base.size * TOUCHED_SHARE_MAX && ranges.length * BASE_BYTES_PER_PATCH_MIN <= base.size;
  return isWorth ? { base, patches: toPatches(ops, ranges) } : null;
}

/** True when the output of `ops` is a source as it is. */
export function isUnchanged(ops: readonly RewriteOp[]): boolean {
  return findBase(ops) !== undefined && ops.every((op) => op.kind === 'keep' || toOpBytes(op) === 0);
}

/** The source all of whose kept bytes stay where they are, and that has the size of the output. */
function findBase(ops: readonly RewriteOp[]): ByteSource | undefined {
  let base: ByteSource | undefined;
  let at = 0;
  for (const op of ops) {
    if (op.kind === 'keep' && op.end > op.start) {
      base ??= op.source;
      if (op.source !== base || op.start !== at) return undefined;
    }
    at += toOpBytes(op);
  }
  return base?.size === at ? base : undefined;
}

function toOpBytes(op: RewriteOp): number {
  return op.kind === 'bytes' ? op.bytes.length : op.end - op.start;
}

function toTouchedRanges(ops: readonly RewriteOp[], sizeBytes: number): readonly Range[] {
  const ranges: Range[] = [];
  let at = 0;
  for (const op of ops) {
    const end = at + toOpBytes(op);
    if (op.kind !== 'keep' && end > at) {
      const start = at - (at % BLOCK_BYTES);
      const blockEnd = Math.min(sizeBytes, Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES);
      const last = ranges.at(-1);
      if (last !== undefined && start <= last.end) last.end = Math.max(last.end, blockEnd);
      else ranges.push({ start, end: blockEnd });
    }
    at = end;
  }
  return ranges;
}

function toPatches(ops: readonly RewriteOp[], ranges: readonly Range[]): readonly Patch[] {
  let first = 0;
  let firstAt = 0;
  return ranges.map((range) => {
    for (; firstAt + toOpBytes(ops[first]) <= range.start; first++) firstAt += toOpBytes(ops[first]);
    const inside: RewriteOp[] = [];
    for (let i = first, at = firstAt; i < ops.length && at < range.end; i++) {
      inside.push(toCut(ops[i], at, range));
      at += toOpBytes(ops[i]);
    }
    return { at: range.start, ops: inside };
  });
}

/** The part of an operation inside `range`; `at` is where it stands in the output. Only kept spans reach beyond. */
function toCut(op: RewriteOp, at: number, range: Range): RewriteOp {
  if (op.kind !== 'keep') return op;
  const before = Math.max(0, range.start - at);
  const behind = Math.max(0, at + toOpBytes(op) - range.end);
  return { ...op, start: op.start + before, end: op.end - behind };
}
