/** 64 KiB leaves of a byte range: one SHA-256 per stored byte, CRC-32 only where asked (docs/spec/baseline.md 3). */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { LIMITS } from '../core/limits.ts';
import { toMerkleRoot } from '../core/merkle.ts';

/** Bytes per leaf; the last leaf of a range is shorter. */
export const LEAF_BYTES = 65_536;

/** One record of a leaf table: SHA-256(0x00 ‖ bytes), then CRC-32 of the bytes as u32 big-endian. */
export const LEAF_RECORD_BYTES = 36;

/** A leaf while it is in memory. */
export interface Leaf {
  /** Number of the leaf in its range, from 0. */
  readonly index: number;
  /** RFC 6962 leaf hash, 32 bytes. */
  readonly hash: Uint8Array;
  /** The leaf's bytes; valid only until the callback returns, which may change them. */
  readonly bytes: Uint8Array;
}

/** Memory for {@link hashLeaves}; make one and pass it to every call. */
export function createLeafBuffer(): Uint8Array {
  return new Uint8Array(1 + LIMITS.streamChunkBytes);
}

export function toLeafCount(lengthBytes: number): number {
  return Math.ceil(lengthBytes / LEAF_BYTES);
}

/**
 * Hashes a range leaf by leaf; every byte is read and hashed once.
 * @param options.read fills a buffer from an offset relative to the range
 */
export function hashLeaves(options: {
  readonly lengthBytes: number;
  readonly read: (offset: number, into: Uint8Array) => void;
  readonly buffer: Uint8Array;
  readonly onLeaf: (leaf: Leaf) => void;
}): void {
  const { lengthBytes, buffer } = options;
  const chunkBytes = buffer.length - 1;
  for (let at = 0; at < lengthBytes; at += chunkBytes) {
    const filled = Math.min(chunkBytes, lengthBytes - at);
    options.read(at, buffer.subarray(1, 1 + filled));
    for (let from = 0; from < filled; from += LEAF_BYTES) {
      const to = Math.min(filled, from + LEAF_BYTES);
      // The prefix 0x00 takes the place of the byte before the leaf, which is done with: one hash call, no copy.
      buffer[from] = 0;
      const digest = hash('sha256', buffer.subarray(from, 1 + to), 'buffer');
      options.onLeaf({
        index: (at + from) / LEAF_BYTES,
        hash: digest,
        bytes: buffer.subarray(1 + from, 1 + to),
      });
    }
  }
}

/** The leaf table of a range: 36 bytes per leaf, in order. Hashes each byte once and sums it once. */
export function toLeafTable(options: {
  readonly lengthBytes: number;
  readonly read: (offset: number, into: Uint8Array) => void;
  readonly buffer: Uint8Array;
  readonly onBytes?: (bytes: Uint8Array) => void;
}): Uint8Array {
  const table = new Uint8Array(toLeafCount(options.lengthBytes) * LEAF_RECORD_BYTES);
  const view = new DataView(table.buffer);
  hashLeaves({
    ...options,
    onLeaf: (leaf) => {
      table.set(leaf.hash, leaf.index * LEAF_RECORD_BYTES);
      view.setUint32(leaf.index * LEAF_RECORD_BYTES + 32, crc32(leaf.bytes));
      options.onBytes?.(leaf.bytes);
    },
  });
  return table;
}

/** Leaf hash `index` of a table: a view, 32 bytes. */
export function toLeafHash(table: Uint8Array, index: number): Uint8Array {
  return table.subarray(index * LEAF_RECORD_BYTES, index * LEAF_RECORD_BYTES + 32);
}

/** CRC-32 of leaf `index` of a table. */
export function toLeafCrc(table: Uint8Array, index: number): number {
  return new DataView(table.buffer, table.byteOffset).getUint32(index * LEAF_RECORD_BYTES + 32);
}

/** The leaf hashes of a table in order. */
export function* leafHashesOf(table: Uint8Array): Generator<Uint8Array> {
  for (let index = 0; index * LEAF_RECORD_BYTES < table.length; index++) yield toLeafHash(table, index);
}

/** RFC 6962 root over the leaves of a table. */
export function toTableRoot(table: Uint8Array): Uint8Array {
  return toMerkleRoot(leafHashesOf(table));
}

/** True when two leaf hashes are the same; they are public, so the time may tell. */
export function isSameHash(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
