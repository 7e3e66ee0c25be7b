/** The canonical hash of tensors: the same for every encoding of them. @see docs/spec/tensor-hash.md */
import { createHash, createHmac, hash } from 'node:crypto';
import { utf8 } from '../../core/bytes.ts';
import type { NamedTensor } from '../ports.ts';
import { isTensorDType } from './datatypes.ts';
import { lookAtValues, withoutNegativeZeros } from './finite.ts';

const DOMAIN = utf8('mw/tensors/v1\0');
/** Up to so many bytes are put together and hashed in one call, which is cheaper than several updates. */
const ONE_SHOT_BYTES = 16 * 1024;

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
  const parts: Uint8Array[] = [DOMAIN, toCount(ordered.length)];
  let bytes = DOMAIN.length + 4;
  for (const tensor of ordered) {
    const head = toHead(tensor);
    const data = options.hasNegativeZero === false ? tensor.data : toPositiveZeros(tensor);
    parts.push(head, data);
    bytes += head.length + data.length;
  }
  const { key } = options;
  if (key !== undefined && key !== null) return update(createHmac('sha256', key), parts);
  if (bytes > ONE_SHOT_BYTES) return update(createHash('sha256'), parts);
  return hash('sha256', Buffer.concat(parts, bytes), 'buffer');
}

function update(digest: { update(part: Uint8Array): unknown; digest(): Uint8Array }, parts: Uint8Array[]): Uint8Array {
  for (const part of parts) digest.update(part);
  return digest.digest();
}

function toCount(count: number): Uint8Array {
  const out = new Uint8Array(4);
  out[3] = count;
  out[2] = count >>> 8;
  out[1] = count >>> 16;
  out[0] = count >>> 24;
  return out;
}

/** Length-prefixed name and type, shape, and length of the data; numbers are big-endian. */
function toHead({ name, dtype, shape, data }: NamedTensor): Uint8Array {
  const nameBytes = Buffer.byteLength(name);
  const head = Buffer.allocUnsafe(4 + nameBytes + 4 + dtype.length + 4 + 8 * shape.length + 8);
  let at = head.writeUInt32BE(nameBytes, 0);
  at += head.write(name, at);
  at = head.writeUInt32BE(dtype.length, at);
  at += head.write(dtype, at, 'latin1');
  at = head.writeUInt32BE(shape.length, at);
  for (const dim of shape) at = writeU64(head, dim, at);
  writeU64(head, data.length, at);
  return head;
}

function writeU64(into: Buffer, value: number, at: number): number {
  into.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  return into.writeUInt32BE(value % 2 ** 32, at + 4);
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
