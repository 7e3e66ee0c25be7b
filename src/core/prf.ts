/** Keyed pseudorandom streams, unbiased integers and permutations for positions, chips and bits (docs/spec/watermark.md §3). */
import { type Cipher, createCipheriv } from 'node:crypto';

const KEY_BYTES = 32;
const BLOCK_BYTES = 16;
/** Streams are read in pieces of this size; a caller's sequence does not depend on it. */
const PIECE_BYTES = 16 * 1024;
/** FF1 (NIST SP 800-38G) settles on ten rounds for small domains; the margin costs microseconds. */
const FEISTEL_ROUNDS = 10;

/** Which stream of a key: two numbers that become the upper half of the AES counter block. */
export interface StreamId {
  /** 0..255, one per purpose. */
  readonly domain: number;
  /** 0..2^48-1, one per tile, layer or whatever the purpose counts. */
  readonly index: number;
}

function assertKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new TypeError('a PRF key has 32 bytes');
}

/** Counter block: domain u8 ‖ 0 u8 ‖ index u48 ‖ block counter u64, big-endian; counters of two streams never meet. */
function toCounterBlock({ domain, index }: StreamId): Uint8Array {
  if (!Number.isInteger(domain) || domain < 0 || domain > 255) throw new TypeError('stream domain must be a byte');
  if (!Number.isInteger(index) || index < 0 || index >= 2 ** 48) throw new TypeError('stream index must be a u48');
  const block = Buffer.alloc(BLOCK_BYTES);
  block.writeUInt8(domain, 0);
  block.writeUIntBE(index, 2, 6);
  return block;
}

/**
 * The first `lengthBytes` bytes of the AES-256-CTR key stream of `id`.
 * @param key 32 bytes
 * @see NIST SP 800-38A §6.5
 */
export function toPrfBytes(key: Uint8Array, id: StreamId, lengthBytes: number): Uint8Array {
  assertKey(key);
  return createCipheriv('aes-256-ctr', key, toCounterBlock(id)).update(new Uint8Array(lengthBytes));
}

/** A sequence of pseudorandom numbers; equal keys and ids give equal sequences on every platform. */
export interface PrfStream {
  /** The next 32 bits (little-endian in the key stream). */
  u32(): number;
  /** Uniform in [0, bound), bound in 1..2^32, without modulo bias (rejection). */
  below(bound: number): number;
  /** The next bytes of the stream. */
  fill(into: Uint8Array): void;
}

/**
 * A stream of AES-256-CTR output.
 * @param key 32 bytes
 */
export function createPrfStream(key: Uint8Array, id: StreamId): PrfStream {
  assertKey(key);
  const cipher = createCipheriv('aes-256-ctr', key, toCounterBlock(id));
  const zeros = new Uint8Array(PIECE_BYTES);
  let piece = cipher.update(zeros);
  let at = 0;
  const fill = (into: Uint8Array): void => {
    let done = 0;
    while (done < into.length) {
      if (at === piece.length) {
        piece = cipher.update(zeros);
        at = 0;
      }
      const count = Math.min(piece.length - at, into.length - done);
      into.set(piece.subarray(at, at + count), done);
      at += count;
      done += count;
    }
  };
  const word = Buffer.alloc(4);
  const u32 = (): number => {
    if (at + 4 <= piece.length) {
      at += 4;
      return piece.readUInt32LE(at - 4);
    }
    fill(word);
    return word.readUInt32LE(0);
  };
  const below = (bound: number): number => {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) throw new TypeError('bound must be in 1..2^32');
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let drawn = u32();
    while (drawn >= limit) drawn = u32();
    return drawn % bound;
  };
  return { u32, below, fill };
}

/** A keyed bijection of [0, size). */
export interface Permutation {
  readonly size: number;
  forward(index: number): number;
  inverse(index: number): number;
}

/**
 * A keyed permutation of [0, size) that needs no memory: a balanced Feistel network over the next even power of two,
 * walked along its cycle until it lands inside (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002).
 * @param key 32 bytes
 * @param size 1..2^48
 */
export function createPermutation(key: Uint8Array, domain: number, size: number): Permutation {
  assertKey(key);
  if (!Number.isInteger(size) || size < 1 || size > 2 ** 48) throw new TypeError('size must be in 1..2^48');
  let halfBits = 1;
  while (2 ** (2 * halfBits) < size) halfBits++;
  const half = 2 ** halfBits;
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const round = createRoundFunction(cipher, domain, halfBits, size);
  const encrypt = (value: number): number => {
    let left = Math.floor(value / half);
    let right = value % half;
    for (let i = 0; i < FEISTEL_ROUNDS; i++) [left, right] = [right, (left ^ round(i, right)) >>> 0];
    return left * half + right;
  };
  const decrypt = (value: number): number => {
    let left = Math.floor(value / half);
    let right = value % half;
    for (let i = FEISTEL_ROUNDS - 1; i >= 0; i--) [left, right] = [(right ^ round(i, left)) >>> 0, left];
    return left * half + right;
  };
  const walk = (step: (value: number) => number, index: number): number => {
    if (!Number.isInteger(index) || index < 0 || index >= size) throw new TypeError('index must be in [0, size)');
    let value = step(index);
    while (value >= size) value = step(value);
    return value;
  };
  return { size, forward: (index) => walk(encrypt, index), inverse: (index) => walk(decrypt, index) };
}

/** F(round, half) = low bits of AES(domain ‖ 'F' ‖ round ‖ 0 ‖ size u48 ‖ half u48); size is bound in so that domains differ. */
function createRoundFunction(cipher: Cipher, domain: number, halfBits: number, size: number) {
  const block = Buffer.alloc(BLOCK_BYTES);
  const mask = 2 ** halfBits - 1;
  return (round: number, half: number): number => {
    block.writeUInt8(domain, 0);
    block.writeUInt8(0x46, 1);
    block.writeUInt8(round, 2);
    block.writeUInt8(0, 3);
    block.writeUIntBE(size, 4, 6);
    block.writeUIntBE(half, 10, 6);
    return (cipher.update(block).readUInt32LE(0) & mask) >>> 0;
  };
}
