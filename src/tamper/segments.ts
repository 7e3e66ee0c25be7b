/** Cuts a file into segments, one per tensor's stored bytes and one per gap, that cover every byte once (docs/spec/baseline.md 2). */

/** Where a tensor's stored bytes lie. */
export interface StoredSpan {
  readonly fileIndex: number;
  readonly start: number;
  readonly end: number;
}

/** A half-open range of one file that belongs to one tensor, or to none. */
export interface Segment {
  /** Index of the tensor, or null for a gap. */
  readonly tensor: number | null;
  readonly start: number;
  readonly end: number;
}

/**
 * The segments of file `fileIndex` in order. Where spans overlap, the one that starts first (then the longer, then the
 * one listed first) owns the shared bytes; the rest of the other is a segment of its own.
 * @param sizeBytes length of the file; spans must lie inside
 */
export function toSegments(spans: readonly StoredSpan[], fileIndex: number, sizeBytes: number): Segment[] {
  const inFile = spans
    .map((span, tensor) => ({ ...span, tensor }))
    .filter((span) => span.fileIndex === fileIndex && span.end > span.start)
    .sort((a, b) => a.start - b.start || b.end - a.end || a.tensor - b.tensor);
  const segments: Segment[] = [];
  let at = 0;
  for (const { tensor, start, end } of inFile) {
    if (start > at) segments.push({ tensor: null, start: at, end: start });
    const from = Math.max(start, at);
    if (end > from) segments.push({ tensor, start: from, end });
    at = Math.max(at, end);
  }
  if (at < sizeBytes) segments.push({ tensor: null, start: at, end: sizeBytes });
  return segments;
}
