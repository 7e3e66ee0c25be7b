/** Looks into another process's memory (Linux): the judge of what a process really holds. */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

const CHUNK_BYTES = 4 * 1024 * 1024;

/** How often each needle occurs in the readable private memory of a process. Needles are at least 32 bytes. */
export function countInMemory(pid: number, needles: readonly Uint8Array[]): number[] {
  const counts = needles.map(() => 0);
  const overlap = Math.max(...needles.map(({ length }) => length)) - 1;
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES + overlap);
  try {
    for (const { start, end } of listPrivateMaps(pid)) {
      let kept = 0;
      for (let at = start; at < end; ) {
        const want = Math.min(CHUNK_BYTES, end - at);
        const got = readOrNothing(fd, buffer, { offset: kept, length: want, position: at });
        if (got === 0) break;
        const chunk = buffer.subarray(0, kept + got);
        for (const [index, needle] of needles.entries()) counts[index] += countIn(chunk, needle);
        at += got;
        // One byte less than a needle is carried over, so that a hit across the border counts, and counts once.
        kept = Math.min(overlap, chunk.length);
        chunk.copy(buffer, 0, chunk.length - kept);
      }
    }
  } finally {
    closeSync(fd);
    buffer.fill(0);
  }
  return counts;
}

function countIn(chunk: Buffer, needle: Uint8Array): number {
  let count = 0;
  for (let at = chunk.indexOf(needle); at >= 0; at = chunk.indexOf(needle, at + 1)) count++;
  return count;
}

function listPrivateMaps(pid: number): { start: number; end: number }[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const match = /^([0-9a-f]+)-([0-9a-f]+) r..p /.exec(line);
      // [vdso] and the like are the kernel's.
      if (match === null || line.includes(' [v')) return [];
      return [{ start: parseInt(match[1], 16), end: parseInt(match[2], 16) }];
    });
}

function readOrNothing(fd: number, buffer: Buffer, at: { offset: number; length: number; position: number }): number {
  try {
    return readSync(fd, buffer, at.offset, at.length, at.position);
  } catch {
    // A guard page, or a mapping that went away meanwhile.
    return 0;
  }
}

/** Process ids of the direct children. */
export function listChildren(pid: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return Number(parent) === pid ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** True while the process exists and is not a zombie. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}

export function readProc(pid: number, name: 'cmdline' | 'environ' | 'limits'): string {
  return readFileSync(`/proc/${pid}/${name}`, 'latin1');
}

export function readWorkingFolder(pid: number): string {
  return readlinkSync(`/proc/${pid}/cwd`);
}
