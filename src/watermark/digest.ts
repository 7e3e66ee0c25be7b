/** originalDigest: one digest for the same weights in any file format (docs/spec/original-digest.md). */
import { createHash } from 'node:crypto';
import { concatBytes, toHex, u32be, u64be, utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { LIMITS } from '../core/limits.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import { DTYPES } from '../model/dtype.ts';
import type { Model, TensorRef } from '../model/types.ts';

const TENSOR_LABEL = utf8('wm/v1/tensor\0');
const MODEL_LABEL = utf8('wm/v1/model\0');

/** The digest of a model's logical tensors, and of each counted tensor by name. */
export interface ModelDigest {
  /** 32 bytes. */
  readonly digest: Uint8Array;
  readonly tensors: ReadonlyMap<string, string>;
}

/**
 * Whether a tensor counts: floats and quantised blocks of rank 1 or more, integers of rank 2 or more, not empty. Scalars,
 * shape constants, strings and truth values are left out because converters make, fold and drop them freely.
 */
export function isCounted(tensor: TensorRef): boolean {
  const { kind } = DTYPES[tensor.dtype];
  if (tensor.elementCount === 0) return false;
  return kind === 'float' || kind === 'block'
    ? tensor.shape.length >= 1
    : (kind === 'int' || kind === 'uint') && tensor.shape.length >= 2;
}

/**
 * SHA-256 over label, dtype, rank, dimensions (u64 big-endian) and logical bytes of one tensor, 32 bytes. Reads it in
 * pieces of 1 MiB.
 * @throws FormatError | SourceError from the tensor's reader
 */
export function toTensorDigest(tensor: TensorRef, progress: Progress = silentProgress): Uint8Array {
  const hash = createHash('sha256').update(TENSOR_LABEL);
  hash.update(utf8(`${tensor.dtype}\0`)).update(u32be(tensor.shape.length));
  for (const dim of tensor.shape) hash.update(u64be(dim));
  const piece = new Uint8Array(Math.min(LIMITS.streamChunkBytes, tensor.byteLength));
  for (let at = 0; at < tensor.byteLength; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, tensor.byteLength - at));
    tensor.read(at, part);
    hash.update(part);
    progress.advance(part.length);
  }
  return new Uint8Array(hash.digest());
}

/**
 * The format-neutral digest: SHA-256 over a label, the number of counted tensors and their digests in byte order, so
 * names, order and storage do not matter, while one changed weight does. Memory is flat: 1 MiB and 32 bytes per tensor.
 * @throws FormatError | SourceError from the tensors' readers
 */
export function toModelDigest(model: Model, progress: Progress = silentProgress): ModelDigest {
  const counted = model.tensors.filter(isCounted);
  progress.step(
    'digest of the weights',
    counted.reduce((sum, tensor) => sum + tensor.byteLength, 0),
    'bytes',
  );
  const digests = counted.map((tensor) => toHex(toTensorDigest(tensor, progress)));
  progress.done();
  const tensors = new Map(counted.map((tensor, index) => [tensor.name, digests[index]]));
  const sorted = digests.toSorted().map((hex) => Buffer.from(hex, 'hex'));
  return { digest: sha256(MODEL_LABEL, u64be(sorted.length), concatBytes(...sorted)), tensors };
}

/** The 32 bytes of {@link toModelDigest} alone. */
export function toOriginalDigest(model: Model, progress: Progress = silentProgress): Uint8Array {
  return toModelDigest(model, progress).digest;
}
