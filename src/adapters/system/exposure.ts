/**
 * What could carry keys and weights from the memory of this process to a disk: swap and core dumps. Linux tells; where
 * nothing is known (macOS encrypts its swap, Windows has its own settings), nothing is said.
 * @see proc(5), core(5), and the kernel's admin-guide/cgroup-v2 (memory.swap.max)
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { toByteText } from '../../core/quantities.ts';

/** The text of a small file, or null where it cannot be read. */
export type ReadText = (path: string) => string | null;

export interface Exposure {
  readonly kind: 'core' | 'swap';
  /** In words, such as "swap of 2.0 GiB is on". */
  readonly text: string;
}

/** Reads what the kernel says. */
export const readSystemText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

/** Every way that is open; [] where all are closed, or none is known. */
export function findExposures(read: ReadText): readonly Exposure[] {
  return [findCoreDumps(read), findSwap(read)].filter((one) => one !== null);
}

function findCoreDumps(read: ReadText): Exposure | null {
  const soft = /^Max core file size +(\S+)/m.exec(read('/proc/self/limits') ?? '')?.[1];
  if (soft === undefined) return null;
  const pattern = read('/proc/sys/kernel/core_pattern')?.trim() ?? '';
  const handler = pattern.startsWith('|') ? basename(pattern.slice(1).trim().split(' ')[0]) : null;
  if (handler === null) return soft === '0' ? null : { kind: 'core', text: 'core dumps are on' };
  // The kernel hands a dump to a program whatever the limit is, but for a limit of one byte; systemd's keeps to it.
  const isKept = soft !== '1' && (soft !== '0' || !handler.startsWith('systemd-coredump'));
  return isKept ? { kind: 'core', text: `core dumps go to ${handler}` } : null;
}

function findSwap(read: ReadText): Exposure | null {
  const kib = (read('/proc/swaps') ?? '')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([name, , size]) => Number(size) > 0 && !isHarmlessSwap(name, read))
    .reduce((sum, [, , size]) => sum + Number(size), 0);
  if (kib === 0 || isSwapForbidden(read)) return null;
  return { kind: 'swap', text: `swap of ${toByteText(kib * 1024)} is on` };
}

/** Compressed memory, or a device that dm-crypt encrypts. */
function isHarmlessSwap(name: string, read: ReadText): boolean {
  const device = basename(name);
  if (/^zram\d+$/.test(device)) return (read(`/sys/block/${device}/backing_dev`) ?? 'none').trim() === 'none';
  return /^dm-\d+$/.test(device) && (read(`/sys/block/${device}/dm/uuid`) ?? '').startsWith('CRYPT-');
}

/** True when the group of this process, or one around it, may use no swap (cgroup v2). */
function isSwapForbidden(read: ReadText): boolean {
  const own = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1] ?? '/';
  // A group outside of the namespace is shown by a way up; what is mounted is then its own.
  const parts = own.split('/').filter((part) => part !== '');
  const known = parts.includes('..') ? [] : parts;
  return [...known, ''].some((_, depth) => {
    const folder = ['/sys/fs/cgroup', ...known.slice(0, known.length - depth)].join('/');
    return read(`${folder}/memory.swap.max`)?.trim() === '0';
  });
}
