/** Reads fixed layouts front to back: every length is checked before it is used, nothing is copied. */

export interface Cursor {
  /** Offset of the next byte. */
  readonly at: number;
  /** Bytes not taken yet. */
  readonly left: number;
  /** The next `length` bytes; `name` is what is told when they are not there. */
  take(length: number, name: string): Uint8Array;
  u8(name: string): number;
  u16le(name: string): number;
  u32le(name: string): number;
  u64le(name: string): bigint;
  u16be(name: string): number;
  u32be(name: string): number;
  u64be(name: string): bigint;
}

/** @param refuse throws the error of the kind of evidence */
export function createCursor(bytes: Uint8Array, refuse: (at: string) => never): Cursor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const advance = (length: number, name: string): number => {
    if (!Number.isSafeInteger(length) || length < 0 || length > bytes.length - at) refuse(name);
    at += length;
    return at - length;
  };
  return {
    get at() {
      return at;
    },
    get left() {
      return bytes.length - at;
    },
    take: (length, name) => {
      const start = advance(length, name);
      return bytes.subarray(start, start + length);
    },
    u8: (name) => view.getUint8(advance(1, name)),
    u16le: (name) => view.getUint16(advance(2, name), true),
    u32le: (name) => view.getUint32(advance(4, name), true),
    u64le: (name) => view.getBigUint64(advance(8, name), true),
    u16be: (name) => view.getUint16(advance(2, name)),
    u32be: (name) => view.getUint32(advance(4, name)),
    u64be: (name) => view.getBigUint64(advance(8, name)),
  };
}
