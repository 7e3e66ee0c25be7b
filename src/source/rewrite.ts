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
 * Streams `ops` into `sink`; memory is one chunk whatever the size. Small pieces are gathered, so that a file of many
 * edits takes few writes. The sink must not keep a chunk: its memory is used again.
 * @param memory for callers of many small rewrites; its content is of no use afterwards
 * @throws SourceError SOURCE_SHORT_READ when a source ends early
 */
export function applyRewrite(
  ops: readonly RewriteOp[],
  sink: ByteSink,
  onBytes?: (count: number) => void,
  memory = createRewriteMemory(),
): void {
  const chunk = new Chunk(sink, onBytes, memory);
  for (const op of ops) {
    if (op.kind === 'bytes') chunk.add(op.bytes);
    else {
      const unitBytes = op.kind === 'transform' ? op.unitBytes : 1;
      for (let at = op.start; at < op.end; ) {
        const piece = chunk.take(op.end - at, unitBytes);
        op.source.read(at, piece);
        if (op.kind === 'transform') op.apply(at - op.start, piece);
        at += piece.length;
      }
    }
  }
  chunk.flush();
}

/** What {@link applyRewrite} works in: one chunk. */
export function createRewriteMemory(): Uint8Array {
  return new Uint8Array(LIMITS.streamChunkBytes);
}

/** The bytes that wait for the next write. */
class Chunk {
  readonly #buffer: Uint8Array;
  readonly #sink: ByteSink;
  readonly #onBytes: ((count: number) => void) | undefined;
  #used = 0;

  constructor(sink: ByteSink, onBytes: ((count: number) => void) | undefined, buffer: Uint8Array) {
    this.#buffer = buffer;
    this.#sink = sink;
    this.#onBytes = onBytes;
  }

  add(bytes: Uint8Array): void {
    if (bytes.length > this.#buffer.length - this.#used) this.flush();
    if (bytes.length > this.#buffer.length) {
      this.#write(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Room for some of the next `length` bytes, to be filled before the next call: whole units, unless they end there. */
  take(length: number, unitBytes: number): Uint8Array {
    const fits = (room: number): number => (length <= room ? length : room - (room % unitBytes));
    if (fits(this.#buffer.length - this.#used) === 0) this.flush();
    const size = fits(this.#buffer.length - this.#used);
    this.#used += size;
    return this.#buffer.subarray(this.#used - size, this.#used);
  }

  flush(): void {
    if (this.#used === 0) return;
    const used = this.#used;
    this.#used = 0;
    this.#write(this.#buffer.subarray(0, used));
  }

  #write(bytes: Uint8Array): void {
    this.#sink.write(bytes);
    this.#onBytes?.(bytes.length);
  }
}

/** A rewritten file whole in memory; the caller has bounded its size. @throws SourceError */
export function readRewrite({ ops }: FileRewrite): Uint8Array {
  const bytes = new Uint8Array(toRewriteSize(ops));
  let at = 0;
  const write = (chunk: Uint8Array): void => {
    bytes.set(chunk, at);
    at += chunk.length;
  };
  applyRewrite(ops, { write });
  return bytes;
}
