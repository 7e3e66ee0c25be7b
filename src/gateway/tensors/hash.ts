/** The canonical hash of tensors: the same for every encoding of them. @see docs/spec/tensor-hash.md */
import { createHash, createHmac, hash } from 'node:crypto';
import { utf8 } from '../../core/bytes.ts';
import type { NamedTensor } from '../ports.ts';
import { isTensorDType } from './datatypes.ts';
import { lookAtValues, withoutNegativeZeros } from './finite.ts';

const DOMAIN = utf8('mw/tensors/v1\0');
/** Up to so many bytes are put together and hashed in one call, which is cheaper than several updates. */
const ONE_SHOT_BYTES = 16 * 1024;
/** Where they are put together: used again, since every block of memory costs more to collect than to hash. */
const TOGETHER = Buffer.alloc(ONE_SHOT_BYTES);
TOGETHER.set(DOMAIN);

export interface TensorHashOptions {
  /** 32 bytes or more: HMAC-SHA-256 instead of SHA-256, for inputs that could be guessed. */
  readonly key?: Uint8Array | null;
  /** False when it is known that no value is a negative zero. */
  readonly hasNegativeZero?: boolean;
}

/**
 * SHA-256, or HMAC-SHA-256, of tensors as the model gets them, whatever the order and encoding they came in. 32 bytes.
 * @param tensors packed little-endian row-major values of whole bytes; names are unique
 * @example hashTensors([{ name: 'x', dtype: 'f32', shape: [1, 2], data: new Uint8Array(8) }])
 * @see docs/spec/tensor-hash.md
 */
export function hashTensors(tensors: readonly NamedTensor[], options: TensorHashOptions = {}): Uint8Array {
  const ordered = tensors.length < 2 ? tensors : [...tensors].sort(compareNames);
  const { key, hasNegativeZero } = options;
  if (key !== undefined && key !== null) return update(createHmac('sha256', key), ordered, hasNegativeZero);
  let bytes = DOMAIN.length + 4;
  for (const tensor of ordered) bytes += toHeadBytesMax(tensor) + tensor.data.length;
  if (bytes > ONE_SHOT_BYTES) return update(createHash('sha256'), ordered, hasNegativeZero);
  let at = writeU32(TOGETHER, ordered.length, DOMAIN.length);
  for (const tensor of ordered) {
    at = writeHead(TOGETHER, tensor, at);
    TOGETHER.set(toHashed(tensor, hasNegativeZero), at);
    at += tensor.data.length;
  }
  return hash('sha256', TOGETHER.subarray(0, at), 'buffer');
}

interface Digest {
  update(part: Uint8Array): unknown;
  digest(): Uint8Array;
}

function update(digest: Digest, ordered: readonly NamedTensor[], hasNegativeZero: boolean | undefined): Uint8Array {
  digest.update(DOMAIN);
  const count = Buffer.alloc(4);
  writeU32(count, ordered.length, 0);
  digest.update(count);
  for (const tensor of ordered) {
    const head = Buffer.alloc(toHeadBytesMax(tensor));
    digest.update(head.subarray(0, writeHead(head, tensor, 0)));
    digest.update(toHashed(tensor, hasNegativeZero));
  }
  return digest.digest();
}

/** A character takes three bytes of UTF-8 at most. */
function toHeadBytesMax({ name, dtype, shape }: NamedTensor): number {
  return 4 + 3 * name.length + 4 + dtype.length + 4 + 8 * shape.length + 8;
}

/** Length-prefixed name and type, shape, and length of the data; numbers are big-endian. @returns where it ends */
function writeHead(into: Buffer, { name, dtype, shape, data }: NamedTensor, start: number): number {
  let at = writeText(into, name, start);
  at = writeText(into, dtype, at);
  at = writeU32(into, shape.length, at);
  for (const dim of shape) at = writeU64(into, dim, at);
  return writeU64(into, data.length, at);
}

function writeText(into: Buffer, text: string, at: number): number {
  const start = at + 4;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) {
      const bytes = into.write(text, start);
      writeU32(into, bytes, at);
      return start + bytes;
    }
    into[start + i] = code;
  }
  writeU32(into, text.length, at);
  return start + text.length;
}

function writeU64(into: Buffer, value: number, at: number): number {
  return writeU32(into, value % 2 ** 32, writeU32(into, Math.floor(value / 2 ** 32), at));
}

function writeU32(into: Buffer, value: number, at: number): number {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
  return at + 4;
}

function toHashed(tensor: NamedTensor, hasNegativeZero: boolean | undefined): Uint8Array {
  return hasNegativeZero === false ? tensor.data : toPositiveZeros(tensor);
}

function toPositiveZeros({ dtype, data }: NamedTensor): Uint8Array {
  if (!isTensorDType(dtype)) return data;
  // The look ends at the first NaN, which outputs may hold: behind it nothing is known.
  const { hasNegativeZero, badIndex } = lookAtValues(dtype, data);
  return hasNegativeZero || badIndex >= 0 ? withoutNegativeZeros(dtype, data) : data;
}

/** By the bytes of their UTF-8, which is the order of code points and not that of JavaScript. */
function compareNames(a: NamedTensor, b: NamedTensor): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}
