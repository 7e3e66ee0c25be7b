/** The edit plan of one file: an ordered list of kept spans, new bytes and in-place transforms that streams to a sink. */
import { LIMITS } from '../core/limits.ts';
import type { ByteSink, Span } from './ports.ts';

/** One piece of an output file. */
export type RewriteOp =
  | ({ readonly kind: 'keep' } & Span)
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | ({
      readonly kind: 'transform';
      /**
       * Changes `chunk`, the bytes of the span from `offset` (relative to the span's start), in place.
       * Must be deterministic and must not depend on how the span is cut into chunks, but for `unitBytes`.
       */
      readonly apply: (offset: number, chunk: Uint8Array) => void;
      /** Chunks start and end at multiples of this many bytes (the element size), except at the span's end. */
      readonly unitBytes: number;
    } & Span);

/** One output file: its relative name and the pieces that make it. */
export interface FileRewrite {
  readonly name: string;
  readonly ops: readonly RewriteOp[];
}

/** What to write for the whole model; the first file is the one that the user names. */
export interface RewritePlan {
  readonly files: readonly FileRewrite[];
}

/** Length in bytes of the output of `ops`. */
export function toRewriteSize(ops: readonly RewriteOp[]): number {
  return ops.reduce((sum, op) => sum + (op.kind === 'bytes' ? op.bytes.length : op.end - op.start), 0);
}

/**
 * Streams `ops` into `sink`; memory is one chunk whatever the size.
 * @throws SourceError SOURCE_SHORT_READ when a source ends early
 */
export function applyRewrite(ops: readonly RewriteOp[], sink: ByteSink, onBytes?: (count: number) => void): void {
  const buffer = new Uint8Array(LIMITS.streamChunkBytes);
  for (const op of ops) {
    if (op.kind === 'bytes') {
      sink.write(op.bytes);
      onBytes?.(op.bytes.length);
      continue;
    }
    const unitBytes = op.kind === 'transform' ? op.unitBytes : 1;
    const stepBytes = Math.max(unitBytes, buffer.length - (buffer.length % unitBytes));
    for (let at = op.start; at < op.end; at += stepBytes) {
      const chunk = buffer.subarray(0, Math.min(stepBytes, op.end - at));
      op.source.read(at, chunk);
      if (op.kind === 'transform') op.apply(at - op.start, chunk);
      sink.write(chunk);
      onBytes?.(chunk.length);
    }
  }
}
