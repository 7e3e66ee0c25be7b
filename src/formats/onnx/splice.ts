/** Replacements inside embedded messages: the length prefixes around a change are written anew, nothing else. */
import { type RewriteOp, toRewriteSize } from '../../source/rewrite.ts';
import type { Replacement } from '../../source/splice.ts';
import { toLengthVarint } from './varint.ts';
import type { Frame } from './wire.ts';

/** A replacement and the innermost message that holds it. */
export interface FramedReplacement extends Replacement {
  readonly frame: Frame;
}

/**
 * `replacements`, and one more for every enclosing length that changes. A length that was written in more bytes than
 * it needed keeps its width when the new one fits.
 */
export function withLengthPrefixes(replacements: readonly FramedReplacement[]): readonly Replacement[] {
  const grownBy = new Map<Frame, number>();
  const byDepth: Frame[][] = [];
  const grow = (frame: Frame, bytes: number): void => {
    if (!grownBy.has(frame)) (byDepth[frame.depth] ??= []).push(frame);
    grownBy.set(frame, (grownBy.get(frame) ?? 0) + bytes);
  };
  for (const { frame, start, end, ops } of replacements) grow(frame, toRewriteSize(ops) - (end - start));
  const prefixes: Replacement[] = [];
  const depthMax = byDepth.length - 1;
  for (let depth = depthMax; depth > 0; depth--) {
    for (const frame of byDepth[depth] ?? []) {
      const bytes = grownBy.get(frame)!;
      if (bytes === 0) continue;
      const prefix = toPrefix(frame, bytes);
      prefixes.push({ start: frame.lengthStart, end: frame.start, ops: [prefix] });
      grow(frame.parent!, bytes + prefix.bytes.length - (frame.start - frame.lengthStart));
    }
  }
  return [...replacements, ...prefixes];
}

function toPrefix(frame: Frame, grownBytes: number): RewriteOp & { kind: 'bytes' } {
  return { kind: 'bytes', bytes: toLengthLike(frame, frame.end - frame.start + grownBytes) };
}

/** The prefix of `length` where another length stood: one written in more bytes than it needed keeps its width if it fits. */
export function toLengthLike(
  before: { readonly lengthStart: number; readonly start: number; readonly end: number },
  length: number,
): Uint8Array {
  const width = before.start - before.lengthStart;
  const wasShortest = toLengthVarint(before.end - before.start).length === width;
  return toLengthVarint(length, wasShortest ? 1 : width);
}
