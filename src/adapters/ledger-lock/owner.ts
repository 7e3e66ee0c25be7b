/** Who holds a lock: process, start time and the place where its number means something. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { kill } from 'node:process';

export interface LockOwner {
  readonly pid: number;
  /** Clock ticks since boot, from /proc; null where there is none. A process id alone may have been given again. */
  readonly startTicks: string | null;
  /** Boot and process namespace: ids can be compared only inside one. */
  readonly place: string | null;
  readonly host: string;
}

const MEMBERS = 4;

/** By hand: each thread that takes a lock would load a library of schemas for these four members. */
function isOwner(value: unknown): value is LockOwner {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== MEMBERS) return false;
  const { pid, startTicks, place, host } = value as Record<string, unknown>;
  const isStart = startTicks === null || (typeof startTicks === 'string' && /^\d+$/.test(startTicks));
  const isPlace = place === null || typeof place === 'string';
  return Number.isSafeInteger(pid) && (pid as number) >= 1 && isStart && isPlace && typeof host === 'string';
}

/** This process, as the text of a lock file. */
export function toOwner(): string {
  const owner: LockOwner = {
    pid: process.pid,
    startTicks: findStartTicks(process.pid) ?? null,
    place: findPlace() ?? null,
    host: hostname(),
  };
  return `${JSON.stringify(owner)}\n`;
}

export function parseOwner(text: string): LockOwner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isOwner(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** "unknown" where the process table of the owner cannot be seen, or cannot tell two processes of one id apart. */
export function findLiveness(owner: LockOwner): 'alive' | 'dead' | 'unknown' {
  const place = findPlace();
  if (place !== undefined && owner.place !== null && owner.startTicks !== null) {
    if (place !== owner.place) return 'unknown';
    return findStartTicks(owner.pid) === owner.startTicks ? 'alive' : 'dead';
  }
  if (owner.host !== hostname() || owner.place !== (place ?? null)) return 'unknown';
  return isProcess(owner.pid) ? 'unknown' : 'dead';
}

function isProcess(pid: number): boolean {
  try {
    kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Field 22 of /proc/PID/stat; the name in field 2 may hold spaces and brackets. Zombies count as dead. */
function findStartTicks(pid: number): string | undefined {
  const stat = findText(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19];
}

function findPlace(): string | undefined {
  const boot = findText('/proc/sys/kernel/random/boot_id')?.trim();
  try {
    return boot === undefined ? undefined : `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}

function findText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
