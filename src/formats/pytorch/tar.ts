/** Headers of tar archives, as far as they are needed to find the pickles of the oldest PyTorch files. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';

export const TAR_BLOCK_BYTES = 512;

export interface TarMember {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Whether the checksum is right: Python's tarfile asks for no more, so neither does a loader. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < TAR_BLOCK_BYTES) return false;
  const expected = readOctal(block.subarray(148, 156));
  if (expected === undefined) return false;
  let sum = 8 * 0x20;
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) if (i < 148 || i >= 156) sum += block[i];
  return sum === expected && block[0] !== 0;
}

function readOctal(field: Buffer): number | undefined {
  const text = field
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .trim();
  return /^[0-7]{1,12}$/.test(text) ? parseInt(text, 8) : undefined;
}

/** The files of an archive up to its end or its first damaged header. */
export function listTar(source: ByteSource): readonly TarMember[] {
  const members: TarMember[] = [];
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  for (let at = 0; at + TAR_BLOCK_BYTES <= source.size && members.length < FORMAT_LIMITS.picklesMax; ) {
    source.read(at, block);
    if (!isTarHeader(block)) break;
    const length = readOctal(block.subarray(124, 136));
    const start = at + TAR_BLOCK_BYTES;
    if (length === undefined || length > source.size - start) break;
    const name = block.toString('latin1', 0, 100).replace(/\0.*$/s, '');
    const isFile = block[156] === 0 || block[156] === 0x30;
    if (isFile) members.push({ name, start, end: start + length });
    at = start + Math.ceil(length / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
  }
  return members;
}
