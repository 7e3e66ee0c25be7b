/** The rewrite operations of one message while it is put together: neighbours are joined, the size is known. */
import { concatBytes } from '../../core/bytes.ts';
import type { ByteSource } from '../../source/ports.ts';
import { type RewriteOp, toRewriteSize } from '../../source/rewrite.ts';

export class OpList {
  size = 0;
  readonly #ops: RewriteOp[] = [];
  /** Bytes that wait to be joined with those that follow. */
  #pending: Uint8Array[] = [];
  #kept: { kind: 'keep'; source: ByteSource; start: number; end: number } | null = null;

  keep(source: ByteSource, start: number, end: number): void {
    if (start === end) return;
    this.size += end - start;
    this.#flushBytes();
    if (this.#kept !== null && this.#kept.source === source && this.#kept.end === start) {
      this.#kept.end = end;
      return;
    }
    this.#kept = { kind: 'keep', source, start, end };
    this.#ops.push(this.#kept);
  }

  bytes(...parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      if (part.length === 0) continue;
      this.size += part.length;
      this.#pending.push(part);
    }
  }

  push(ops: readonly RewriteOp[]): void {
    for (const op of ops) {
      if (op.kind === 'keep') this.keep(op.source, op.start, op.end);
      else if (op.kind === 'bytes') this.bytes(op.bytes);
      else {
        this.#flushBytes();
        this.#kept = null;
        this.size += toRewriteSize([op]);
        this.#ops.push(op);
      }
    }
  }

  toOps(): readonly RewriteOp[] {
    this.#flushBytes();
    return this.#ops;
  }

  #flushBytes(): void {
    if (this.#pending.length === 0) return;
    this.#ops.push({ kind: 'bytes', bytes: concatBytes(...this.#pending) });
    this.#pending = [];
    this.#kept = null;
  }
}
