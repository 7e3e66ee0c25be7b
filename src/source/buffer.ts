/** A byte source over bytes in memory. */
import { SourceError } from '../core/errors.ts';
import type { ByteSource } from './ports.ts';

/** @throws SourceError SOURCE_SHORT_READ when [offset, offset + length) leaves [0, source.size] */
export function assertInSource(source: { label: string; size: number }, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > source.size) {
    throw new SourceError('SOURCE_SHORT_READ', {
      fields: { file: source.label, offset, length, size: source.size },
    });
  }
}

/**
 * A source over `bytes`, which must not change while it is open.
 * @param label name for messages
 */
export function openBufferSource(label: string, bytes: Uint8Array): ByteSource {
  const source: ByteSource = {
    label,
    size: bytes.length,
    read(offset, into) {
      assertInSource(source, offset, into.length);
      into.set(bytes.subarray(offset, offset + into.length));
    },
    close() {
      // Nothing is held.
    },
  };
  return source;
}
