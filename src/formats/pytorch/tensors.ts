/** From described tensors to tensors of the file: every storage is a member of the right length, every view lies in it. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { DTYPES, findElementCount } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import { SpanTensor } from '../span-tensor.ts';
import type { TorchArchive } from './archive.ts';
import { toStorageElementBytes } from './calls.ts';
import type { Reading } from './reading.ts';
import type { NamedTensor } from './state.ts';
import { isContiguous, STRIDED_SPAN_MAX, StridedTensor } from './strided-tensor.ts';
import type { StorageNode } from './values.ts';
import type { ZipMember } from './zip.ts';

/**
 * Finds the members of the storages of one pickle.
 * @param folder "data", or "constants" for the constants of TorchScript
 * @throws FormatError PYTORCH_STORAGE_MISSING | PYTORCH_STORAGE_SIZE | PYTORCH_ZIP_COMPRESSED
 */
export function placeStorages(
  reading: Reading,
  archive: TorchArchive,
  folder: string,
  storages: Iterable<StorageNode>,
): ReadonlyMap<StorageNode, ZipMember> {
  const places = new Map<StorageNode, ZipMember>();
  for (const storage of storages) {
    const { key, elementCount } = storage;
    const member = archive.find(`${folder}/${key}`);
    if (member === undefined) throw reading.fail('PYTORCH_STORAGE_MISSING', 0, { folder, key });
    if (member.method !== 0) {
      throw reading.fail('PYTORCH_ZIP_COMPRESSED', member.headerStart, { member: member.name });
    }
    const expected = elementCount * toStorageElementBytes(storage);
    if (member.sizeBytes !== expected) {
      throw reading.fail('PYTORCH_STORAGE_SIZE', member.dataStart, { key, expected, actual: member.sizeBytes });
    }
    places.set(storage, member);
  }
  return places;
}

/** One tensor of the model. @throws FormatError PYTORCH_TENSOR_BOUNDS | PYTORCH_SHAPE */
export function toTensorRef(reading: Reading, { name, tensor }: NamedTensor, member: ZipMember): TensorRef {
  const { dtype, sizes: shape, strides, offset } = tensor;
  const elementBytes = DTYPES[dtype].bits / 8;
  const elementCount = findElementCount(shape) ?? 0;
  const last = elementCount === 0 ? -1 : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 0);
  // Sums beyond 2^53 are not exact, but far beyond any member.
  const isInside = (offset + last + 1) * elementBytes <= member.sizeBytes;
  if (!isInside) throw reading.fail('PYTORCH_TENSOR_BOUNDS', member.dataStart, { tensor: name, offset, last });
  const start = elementCount === 0 ? member.dataStart : member.dataStart + offset * elementBytes;
  const base = { name, dtype, shape, elementCount, start };
  if (elementCount === 0 || isContiguous(shape, strides)) {
    const place = { storage: 'raw', fileIndex: 0, source: reading.source } as const;
    return new SpanTensor({ ...base, end: start + elementCount * elementBytes }, place);
  }
  const byteLength = elementCount * elementBytes;
  if (last >= STRIDED_SPAN_MAX || !Number.isSafeInteger(byteLength)) {
    throw reading.fail('PYTORCH_SHAPE', member.dataStart, { tensor: name });
  }
  return new StridedTensor({ ...base, strides, end: start + (last + 1) * elementBytes }, reading.source);
}

/**
 * Views that repeat their elements, and many views of one storage, make terabytes of a small file.
 * @throws FormatError PYTORCH_SHARED_BYTES
 */
export function assertNoAmplification(reading: Reading, tensors: readonly TensorRef[]): void {
  const logicalBytes = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const logicalBytesMax = reading.source.size * FORMAT_LIMITS.sharedBytesRatioMax + FORMAT_LIMITS.sharedBytesFree;
  if (logicalBytes > logicalBytesMax) {
    throw reading.fail('PYTORCH_SHARED_BYTES', 0, { logicalBytes, logicalBytesMax });
  }
}
