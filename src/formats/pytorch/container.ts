/** Which of the containers that PyTorch ever wrote a file is, by content. */
import type { ByteSource } from '../../source/ports.ts';
import { isTarHeader, TAR_BLOCK_BYTES } from './tar.ts';

/**
 * zip: torch.save since 1.6, TorchScript. tar: before 0.1.10. legacy: pickles and raw storages, until 1.5. pickle:
 * anything else, which a loader would take for a pickle. prefixed-zip: something in front of an archive; PyTorch reads
 * the front as a pickle, zip tools read the archive.
 */
export type Container = 'zip' | 'prefixed-zip' | 'tar' | 'legacy' | 'pickle';

const LOCAL_HEADER = [0x50, 0x4b, 0x03, 0x04];
const END_RECORD = [0x50, 0x4b, 0x05, 0x06];
/** The number 0x1950a86a20f9469cfc6c, little-endian, which a legacy file holds in its first pickle. */
const LEGACY_MAGIC = Buffer.from('6cfc9c46f9206aa85019', 'hex');
const HEAD_BYTES = 64;
const END_BYTES = 22;

export function toContainer(source: ByteSource): Container {
  const head = Buffer.alloc(Math.min(source.size, TAR_BLOCK_BYTES));
  source.read(0, head);
  if (startsWith(head, LOCAL_HEADER) || startsWith(head, END_RECORD)) return 'zip';
  if (hasZipEnd(source)) return 'prefixed-zip';
  if (isTarHeader(head)) return 'tar';
  return head[0] === 0x80 && head.subarray(0, HEAD_BYTES).includes(LEGACY_MAGIC) ? 'legacy' : 'pickle';
}

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}

function hasZipEnd(source: ByteSource): boolean {
  if (source.size < END_BYTES) return false;
  const tail = new Uint8Array(END_BYTES);
  source.read(source.size - END_BYTES, tail);
  return startsWith(tail, END_RECORD);
}
