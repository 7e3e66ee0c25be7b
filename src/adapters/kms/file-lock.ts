/**
 * One writer of a key file at a time, among all processes: a lock file beside it that names its holder. What is done under it
 * is synchronous and takes milliseconds, so that others wait for it; a holder that is known to be dead is followed by exactly one.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, readlinkSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { SealError } from '../../core/errors.ts';

const MODE = 0o600;
/** Two seconds: a write takes milliseconds, on a slow network file system some hundred. */
const WAITS = 200;
const WAIT_MS = 10;
/** Far more than a holder writes of itself. */
const HOLDER_CHARS_MAX = 512;
/** The place where no process can be told dead: no /proc. */
const NOWHERE = '?';

/**
 * Runs `act` while no other process runs one for the same path. The folder must exist.
 * @throws SealError KEY_STORE_BUSY while another process holds it, or one held it of which nobody here can tell whether it
 *   lives: the error names the file; KEY_STORE_UNWRITABLE; what `act` throws
 */
export function withFileLock<T>(path: string, act: () => T): T {
  const lock = `${path}.lock`;
  const holder = `${process.pid} ${toPlace()} ${randomBytes(16).toString('hex')}`;
  takeLock(lock, holder);
  try {
    return act();
  } finally {
    // Only one's own: whoever removed it by hand may have let another in.
    if (findHolder(lock) === holder) removeIfThere(lock);
  }
}

/** A name beside `path` that no other process, here or on another machine, makes up. */
export function toStagedPath(path: string): string {
  return `${path}.${process.pid}.${randomBytes(8).toString('hex')}.new`;
}

function takeLock(lock: string, holder: string): void {
  const staged = toStagedPath(lock);
  try {
    // By link(), so that the lock is never there without its holder's name.
    writeFileSync(staged, holder, { flag: 'wx', mode: MODE });
    for (let waits = 0; !tryLink(staged, lock) && !tryFollow(lock, staged); waits++) {
      if (waits === WAITS) throw toBusy(lock);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
    }
  } catch (cause) {
    if (cause instanceof SealError) throw cause;
    throw new SealError('KEY_STORE_UNWRITABLE', { fields: { file: basename(lock) }, cause });
  } finally {
    removeIfThere(staged);
  }
}

/**
 * Puts one's own lock in the place of a dead holder's. Whoever does so first makes a file that is named after that lock, so
 * that nobody else replaces the lock that is there since.
 */
function tryFollow(lock: string, staged: string): boolean {
  const dead = findHolder(lock);
  if (dead === undefined || !isDead(dead)) return false;
  const claim = `${lock}.${dead.slice(-32)}`;
  if (!tryLink(staged, claim)) return false;
  try {
    if (findHolder(lock) !== dead) return false;
    renameSync(claim, lock);
    return true;
  } finally {
    removeIfThere(claim);
  }
}

/** False where the name is taken. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Undefined where there is no lock, or one that was not written here. */
function findHolder(lock: string): string | undefined {
  try {
    const text = readFileSync(lock, 'latin1').slice(0, HOLDER_CHARS_MAX);
    return /^[1-9]\d{0,9} \S+ [0-9a-f]{32}$/.test(text) ? text : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** True only where this process would see the holder if it lived. */
function isDead(holder: string): boolean {
  const [pid, place] = holder.split(' ');
  if (place === NOWHERE || place !== toPlace()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return isErrno(error, 'ESRCH');
  }
}

/** Where a process id means something: this machine since it was started, and the container in it. */
function toPlace(): string {
  if (process.platform !== 'linux') return encodeURIComponent(hostname());
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return encodeURIComponent(`${hostname()}/${boot}/${readlinkSync('/proc/self/ns/pid')}`);
  } catch {
    return NOWHERE;
  }
}

function toBusy(lock: string): SealError {
  const pid = findHolder(lock)?.split(' ')[0] ?? null;
  return new SealError('KEY_STORE_BUSY', { fields: { file: basename(lock), pid } });
}

/** @throws SealError KEY_STORE_UNWRITABLE */
export function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw new SealError('KEY_STORE_UNWRITABLE', { cause: error });
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
