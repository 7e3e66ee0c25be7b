/** An object as a byte source: what is read is fetched by range and kept for a while; long reads are run ahead of. */
import { OBJECT_LIMITS } from '../../core/limits/objects.ts';
import { assertInSource } from '../../source/buffer.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { Told } from './messages.ts';
import type { AskingThread } from './thread.ts';

/** A stretch of the object: bytes at hand, or the call that fetches them. */
interface Extent {
  readonly start: number;
  readonly end: number;
  /** Null until the call `id` is answered. */
  bytes: Uint8Array | null;
  readonly id: number;
}

const { grainBytes, requestBytesMax, requestsMax, readAheadFromBytes, cachedBytes } = OBJECT_LIMITS;

/** @param told the object as it was opened; every byte comes from that state, or the read fails with SOURCE_CHANGED */
export function openObjectSource(thread: AskingThread, label: string, told: Told): ByteSource {
  const { handle, sizeBytes: size } = told;
  /** Least recently used first. */
  let extents: Extent[] = [];
  /** Where the current run of reads, each behind the one before, began, and where it is. */
  let run = { from: 0, to: 0 };
  let isOpen = true;

  const find = (at: number): Extent | undefined => extents.find(({ start, end }) => start <= at && at < end);
  const request = (at: number, upTo: number): Extent => {
    const start = at - (at % grainBytes);
    const wanted = Math.min(Math.max(upTo, start + 1), start + requestBytesMax, size);
    const end = Math.min(size, Math.ceil(wanted / grainBytes) * grainBytes);
    const extent: Extent = { start, end, bytes: null, id: thread.send({ kind: 'read', handle, start, end }) };
    extents.push(extent);
    return extent;
  };
  /** Asks for everything in [from, to) that is neither here nor on the way, as far as requests are free. */
  const ask = (from: number, to: number): void => {
    let free = requestsMax - extents.filter(({ bytes }) => bytes === null).length;
    for (let at = from; at < to && free > 0; ) {
      const known = find(at);
      at = (known ?? request(at, to)).end;
      if (known === undefined) free--;
    }
  };
  const take = (extent: Extent): Uint8Array => {
    try {
      extent.bytes ??= thread.wait(extent.id) as Uint8Array;
    } catch (error) {
      extents = extents.filter((one) => one !== extent);
      throw error;
    }
    extents = [...extents.filter((one) => one !== extent), extent];
    return extent.bytes;
  };
  const trim = (): void => {
    let kept = extents.reduce((sum, { start, end }) => sum + end - start, 0);
    extents = extents.filter((extent) => {
      if (kept <= cachedBytes || extent.bytes === null) return true;
      kept -= extent.end - extent.start;
      return false;
    });
  };

  const source: ByteSource = {
    label,
    size,
    read(offset, into) {
      assertInSource(source, offset, into.length);
      if (!isOpen) throw new TypeError(`${label} is closed`);
      const end = offset + into.length;
      run = offset === run.to ? { from: run.from, to: end } : { from: offset, to: end };
      const isLong = run.to - run.from >= readAheadFromBytes;
      for (let at = offset; at < end; ) {
        ask(at, isLong ? Math.min(size, Math.max(end, at + requestsMax * requestBytesMax)) : end);
        const extent = find(at) ?? request(at, end);
        const bytes = take(extent);
        const upTo = Math.min(end, extent.end);
        into.set(bytes.subarray(at - extent.start, upTo - extent.start), at - offset);
        at = upTo;
        trim();
      }
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      for (const { bytes, id } of extents) if (bytes === null) thread.forget(id);
      extents = [];
      thread.forget(thread.send({ kind: 'close', handle }));
    },
  };
  return source;
}
