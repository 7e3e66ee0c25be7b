/** SHA-256 of what is read or written, without reading it twice. */
import { createHash } from 'node:crypto';
import { LIMITS } from '../core/limits.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { ByteSink, ByteSource } from '../source/ports.ts';

/** SHA-256 of a whole source, lower-case hex; reads it once in pieces of 1 MiB. */
export function toSourceSha256(source: ByteSource, progress: Progress = silentProgress): string {
  const hash = createHash('sha256');
  const piece = new Uint8Array(Math.min(LIMITS.streamChunkBytes, source.size));
  progress.step(`SHA-256 of ${source.label}`, source.size, 'bytes');
  for (let at = 0; at < source.size; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, source.size - at));
    source.read(at, part);
    hash.update(part);
    progress.advance(part.length);
  }
  progress.done();
  return hash.digest('hex');
}

export interface HashingSink extends ByteSink {
  /** SHA-256 of all bytes so far, lower-case hex; call it once, at the end. */
  sha256(): string;
  sizeBytes(): number;
}

/** A sink that keeps the digest of its bytes, and passes them on to `sink` when there is one. */
export function toHashingSink(sink?: ByteSink): HashingSink {
  const hash = createHash('sha256');
  let size = 0;
  return {
    write(chunk) {
      hash.update(chunk);
      size += chunk.length;
      sink?.write(chunk);
    },
    sha256: () => hash.digest('hex'),
    sizeBytes: () => size,
  };
}
