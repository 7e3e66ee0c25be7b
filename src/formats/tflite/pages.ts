/** Numbers of a source by position, through a small cache of pages: tables lie anywhere in a file, weights between them. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';

const PAGE_BYTES = FORMAT_LIMITS.tflitePageBytes;

/**
 * Little-endian numbers at positions that their size divides, so that none crosses a page. Callers have checked bounds and
 * alignment.
 */
export class PageReader {
  readonly source: ByteSource;
  readonly #pages = new Map<number, DataView>();
  #page: DataView | undefined;
  #pageIndex = -1;

  constructor(source: ByteSource) {
    this.source = source;
  }

  i8(at: number): number {
    return this.#at(at).getInt8(at % PAGE_BYTES);
  }

  u8(at: number): number {
    return this.#at(at).getUint8(at % PAGE_BYTES);
  }

  u16(at: number): number {
    return this.#at(at).getUint16(at % PAGE_BYTES, true);
  }

  i32(at: number): number {
    return this.#at(at).getInt32(at % PAGE_BYTES, true);
  }

  u32(at: number): number {
    return this.#at(at).getUint32(at % PAGE_BYTES, true);
  }

  f32(at: number): number {
    return this.#at(at).getFloat32(at % PAGE_BYTES, true);
  }

  i64(at: number): bigint {
    return this.#at(at).getBigInt64(at % PAGE_BYTES, true);
  }

  u64(at: number): bigint {
    return this.#at(at).getBigUint64(at % PAGE_BYTES, true);
  }

  /** Copy of [start, end): through the pages when it is short. */
  bytes(start: number, end: number): Buffer {
    const into = Buffer.alloc(end - start);
    if (into.length > PAGE_BYTES) {
      this.source.read(start, into);
      return into;
    }
    for (let at = start; at < end; ) {
      const page = this.#at(at);
      const from = at % PAGE_BYTES;
      const count = Math.min(end - at, page.byteLength - from);
      into.set(new Uint8Array(page.buffer, page.byteOffset + from, count), at - start);
      at += count;
    }
    return into;
  }

  #at(at: number): DataView {
    const index = Math.floor(at / PAGE_BYTES);
    if (this.#page === undefined || index !== this.#pageIndex) {
      this.#page = this.#load(index);
      this.#pageIndex = index;
    }
    return this.#page;
  }

  #load(index: number): DataView {
    const known = this.#pages.get(index);
    if (known !== undefined) {
      // Put at the end again: the first of the map is the one that was used longest ago.
      this.#pages.delete(index);
      this.#pages.set(index, known);
      return known;
    }
    const start = index * PAGE_BYTES;
    const bytes = new Uint8Array(Math.min(PAGE_BYTES, this.source.size - start));
    this.source.read(start, bytes);
    const page = new DataView(bytes.buffer);
    if (this.#pages.size >= FORMAT_LIMITS.tflitePagesMax) this.#pages.delete(this.#pages.keys().next().value!);
    this.#pages.set(index, page);
    return page;
  }
}
