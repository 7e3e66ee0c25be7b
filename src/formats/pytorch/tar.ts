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

export interface TarList {
  readonly members: readonly TarMember[];
  /** Why a loader may see other files than these; null when it cannot. */
  readonly problem: string | null;
}

/** Member types as Python writes them: files (two spellings) and folders. */
const FILE_TYPES = new Set([0, 0x30]);
const FOLDER_TYPE = 0x35;

/**
 * The files of an archive up to its end. Links, long names, extended headers and other numbers make a loader read other
 * spans than these, and no file of PyTorch has them: they are told, not followed.
 */
export function listTar(source: ByteSource): TarList {
  const members: TarMember[] = [];
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  let at = 0;
  while (at + TAR_BLOCK_BYTES <= source.size) {
    source.read(at, block);
    if (block.every((byte) => byte === 0)) return { members, problem: null };
    if (!isTarHeader(block)) return { members, problem: 'the tar has a damaged header' };
    if (members.length >= FORMAT_LIMITS.picklesMax) return { members, problem: 'the tar has too many members' };
    const [length, type] = [readOctal(block.subarray(124, 136)), block[156]];
    const start = at + TAR_BLOCK_BYTES;
    const isFolder = type === FOLDER_TYPE && (length ?? 0) === 0;
    if (!FILE_TYPES.has(type) && !isFolder) return { members, problem: 'the tar has a member that is no plain file' };
    if (!isFolder && (length === undefined || length > source.size - start)) {
      return { members, problem: 'the tar has a member without an end' };
    }
    const name = block.toString('latin1', 0, 100).replace(/\0.*$/s, '');
    if (!isFolder) members.push({ name, start, end: start + length! });
    at = start + Math.ceil((length ?? 0) / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
  }
  return { members, problem: null };
}
