/** The output of a rewrite as a byte source: a marked model can be read, measured and sealed before any file of it exists. */
import { SourceError } from '../core/errors.ts';
import type { ByteSource } from './ports.ts';
import { type RewriteOp, toRewriteSize } from './rewrite.ts';

interface PlacedOp {
  readonly op: RewriteOp;
  readonly at: number;
  readonly end: number;
}

/**
 * Reads the bytes that `applyRewrite(ops)` would write, at any offset; memory is one request, rounded up to elements.
 * Closing it leaves the sources of the kept spans open: they belong to the model that made the plan.
 * @throws SourceError SOURCE_SHORT_READ for a range outside the output
 */
export function openRewriteSource(label: string, ops: readonly RewriteOp[]): ByteSource {
  const size = toRewriteSize(ops);
  const placed = placeOps(ops);
  return {
    label,
    size,
    read(offset, into) {
      if (!Number.isSafeInteger(offset) || offset < 0 || offset + into.length > size) {
        throw new SourceError('SOURCE_SHORT_READ', { fields: { label, offset, length: into.length, size } });
      }
      readPlaced(placed, offset, into);
    },
    close: () => undefined,
  };
}

function placeOps(ops: readonly RewriteOp[]): PlacedOp[] {
  let at = 0;
  return ops.map((op) => {
    const start = at;
    at += op.kind === 'bytes' ? op.bytes.length : op.end - op.start;
    return { op, at: start, end: at };
  });
}

/** Index of the last op that starts at or before `offset`. */
function findOpIndex(placed: readonly PlacedOp[], offset: number): number {
  let low = 0;
  let high = placed.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (placed[middle].at <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

function readPlaced(placed: readonly PlacedOp[], offset: number, into: Uint8Array): void {
  let done = 0;
  for (let index = findOpIndex(placed, offset); done < into.length; index++) {
    const { op, at, end } = placed[index];
    const from = offset + done - at;
    const length = Math.min(end - at - from, into.length - done);
    if (length <= 0) continue;
    readOp(op, from, into.subarray(done, done + length));
    done += length;
  }
}

function readOp(op: RewriteOp, from: number, into: Uint8Array): void {
  if (op.kind === 'bytes') {
    into.set(op.bytes.subarray(from, from + into.length));
    return;
  }
  if (op.kind === 'keep') {
    op.source.read(op.start + from, into);
    return;
  }
  const first = from - (from % op.unitBytes);
  const last = Math.min(op.end - op.start, Math.ceil((from + into.length) / op.unitBytes) * op.unitBytes);
  const whole = new Uint8Array(last - first);
  op.source.read(op.start + first, whole);
  op.apply(first, whole);
  into.set(whole.subarray(from - first, from - first + into.length));
}
