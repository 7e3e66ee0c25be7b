/** originalDigest: one digest for the same weights in any file format (docs/spec/original-digest.md). */
import { createHash, type Hash } from 'node:crypto';
import { concatBytes, u32be, u64be, utf8 } from '../core/bytes.ts';
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

/** Makes a model's digest from bytes that somebody else reads, so that one pass over a file serves several digests. */
export interface ModelDigester {
  /** More logical bytes of the tensor at this place in `model.tensors`, in order; tensors that do not count are passed over. */
  update(tensor: number, bytes: Uint8Array): void;
  /** @throws Error "internal error" when bytes of a counted tensor are missing */
  digest(): ModelDigest;
}

/**
 * SHA-256 over a label, the number of counted tensors and their digests in byte order, so names, order and storage do
 * not matter, while one changed weight does. A tensor's digest is SHA-256 over label, dtype, rank, dimensions (u64
 * big-endian) and logical bytes. Memory: one hash per unfinished tensor, 32 bytes per finished one.
 */
export function createModelDigester(model: Pick<Model, 'tensors'>): ModelDigester {
  const unfinished = new Map<number, { readonly hash: Hash; seenBytes: number }>();
  const digests = new Map<number, string>();
  return {
    update: (index, bytes) => {
      const tensor = model.tensors[index];
      if (!isCounted(tensor)) return;
      const state = unfinished.get(index) ?? { hash: startTensor(tensor), seenBytes: 0 };
      unfinished.set(index, state);
      state.hash.update(bytes);
      state.seenBytes += bytes.length;
      if (state.seenBytes < tensor.byteLength) return;
      digests.set(index, state.hash.digest('hex'));
      unfinished.delete(index);
    },
    digest: () => {
      if (digests.size !== model.tensors.filter(isCounted).length) {
        throw new Error('internal error: a digest was asked for before all bytes had passed');
      }
      const tensors = new Map([...digests].map(([index, hex]) => [model.tensors[index].name, hex]));
      const sorted = [...digests.values()].sort().map((hex) => Buffer.from(hex, 'hex'));
      return { digest: sha256(MODEL_LABEL, u64be(sorted.length), concatBytes(...sorted)), tensors };
    },
  };
}

function startTensor(tensor: TensorRef): Hash {
  const hash = createHash('sha256').update(TENSOR_LABEL);
  hash.update(utf8(`${tensor.dtype}\0`)).update(u32be(tensor.shape.length));
  for (const dim of tensor.shape) hash.update(u64be(dim));
  return hash;
}

/**
 * The format-neutral digest of {@link createModelDigester}; reads every counted tensor once, in pieces of 1 MiB.
 * @throws FormatError | SourceError from the tensors' readers
 */
export function toModelDigest(model: Model, progress: Progress = silentProgress): ModelDigest {
  const digester = createModelDigester(model);
  const counted = model.tensors.map((tensor, index) => ({ tensor, index })).filter(({ tensor }) => isCounted(tensor));
  const total = counted.reduce((sum, { tensor }) => sum + tensor.byteLength, 0);
  progress.step('digest of the weights', total, 'bytes');
  const longest = counted.reduce((max, { tensor }) => Math.max(max, tensor.byteLength), 0);
  const piece = new Uint8Array(Math.min(LIMITS.streamChunkBytes, longest));
  for (const { tensor, index } of counted) {
    for (let at = 0; at < tensor.byteLength; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, tensor.byteLength - at));
      tensor.read(at, part);
      digester.update(index, part);
      progress.advance(part.length);
    }
  }
  progress.done();
  return digester.digest();
}

/** The 32 bytes of {@link toModelDigest} alone. */
export function toOriginalDigest(model: Model, progress: Progress = silentProgress): Uint8Array {
  return toModelDigest(model, progress).digest;
}
