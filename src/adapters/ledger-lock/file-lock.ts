/** The ledger lock as numbered files: survives kill -9, and never has two winners (docs/spec/ledger.md §10). */
import { randomBytes } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LedgerError } from '../../core/errors.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import type { HeldLock, LedgerLock } from '../../ledger/ports.ts';
import { findLiveness, type LockOwner, parseOwner, toOwner } from './owner.ts';

const LOCK_FOLDER = 'lock';
const STAGED_AGE_MS = 60_000;
const RELEASED = 'released\n';

export interface LedgerLockOptions {
  readonly heartbeatSilenceMs?: number;
  /** A holder that is this process is gone: its thread has died, and left the lock. */
  readonly isOwnGone?: boolean;
}

/**
 * A lock in `<ledger folder>/lock`. Every holder has a number higher than the last; files are made by link(), so a
 * number has one holder, and a lower number is removed only while a higher one exists.
 * @param heartbeatSilenceMs how long a holder that cannot be looked up (another machine or container) may stand still
 */
export function createLedgerLock(options: LedgerLockOptions = {}): LedgerLock {
  return {
    acquire: async ({ folder, waitMs }) => {
      const place = join(folder, LOCK_FOLDER);
      const deadline = performance.now() + waitMs;
      const silence = createSilenceWatch(place, options.heartbeatSilenceMs ?? LEDGER_LIMITS.lockHeartbeatSilenceMs);
      for (;;) {
        const held = attempt(() => findLock(place, { isSilent: silence, isOwnGone: options.isOwnGone === true }));
        if (held !== undefined) return held;
        if (performance.now() >= deadline) throw attempt(() => toLocked(place));
        await sleep(LEDGER_LIMITS.lockPollMs);
      }
    },
  };
}

interface Deadness {
  readonly isSilent: (number: number) => boolean;
  readonly isOwnGone: boolean;
}

/** Takes the next number if the newest holder released it or is dead; undefined when it is alive. */
function findLock(place: string, deadness: Deadness): HeldLock | undefined {
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const newest = Math.max(0, ...listNumbers(place));
  if (newest > 0 && !isFree(place, newest, deadness)) return undefined;
  const mine = newest + 1;
  if (!linkNumber(place, mine)) return undefined;
  // A slow waiter may have linked a number that was in use and removed since; then a higher one exists.
  if (Math.max(...listNumbers(place)) !== mine) {
    rmSync(join(place, String(mine)), { force: true });
    return undefined;
  }
  for (const number of listNumbers(place)) if (number < mine) rmSync(join(place, String(number)), { force: true });
  sweepStaged(place);
  return hold(place, mine);
}

function hold(place: string, mine: number): HeldLock {
  const path = join(place, String(mine));
  const owner = readFileSync(path, 'utf8');
  const isHeld = (): boolean => {
    try {
      return Math.max(...listNumbers(place)) === mine && readFileSync(path, 'utf8') === owner;
    } catch {
      return false;
    }
  };
  const beat = setInterval(() => {
    const now = new Date();
    // A lost lock is found by isHeld before the next signature; a heartbeat has nobody to tell.
    if (isHeld())
      attempt(() => {
        utimesSync(path, now, now);
      });
  }, LEDGER_LIMITS.lockHeartbeatMs);
  beat.unref();
  return {
    isHeld,
    release: () => {
      clearInterval(beat);
      if (isHeld())
        attempt(() => {
          writeNumber(place, RELEASED, (staged) => {
            renameSync(staged, path);
          });
        });
    },
  };
}

function isFree(place: string, number: number, { isSilent, isOwnGone }: Deadness): boolean {
  const text = findText(join(place, String(number)));
  // Gone means that a higher number exists by now.
  if (text === undefined) return false;
  if (text === RELEASED || (isOwnGone && text === toOwner())) return true;
  const owner: LockOwner | undefined = parseOwner(text);
  const liveness = owner === undefined ? 'unknown' : findLiveness(owner);
  return liveness === 'dead' || (liveness === 'unknown' && isSilent(number));
}

/** Says whether a heartbeat stood still while this process watched; clocks of other machines are not compared. */
function createSilenceWatch(place: string, silenceMs: number): (number: number) => boolean {
  let seen = { number: 0, mtimeMs: 0, sinceMs: 0 };
  return (number) => {
    const mtimeMs = statSync(join(place, String(number)), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const nowMs = performance.now();
    if (seen.number !== number || seen.mtimeMs !== mtimeMs) seen = { number, mtimeMs, sinceMs: nowMs };
    return nowMs - seen.sinceMs >= silenceMs;
  };
}

/** Makes the file of a number, whole, unless it exists. */
function linkNumber(place: string, number: number): boolean {
  return writeNumber(place, toOwner(), (staged) => {
    try {
      linkSync(staged, join(place, String(number)));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  });
}

function writeNumber<T>(place: string, text: string, use: (staged: string) => T): T {
  const staged = join(place, `.${randomBytes(12).toString('hex')}`);
  writeFileSync(staged, text, { flag: 'wx', mode: 0o600 });
  try {
    return use(staged);
  } finally {
    rmSync(staged, { force: true });
  }
}

/** Removes what killed waiters staged; a live one needs its file for a moment only. */
function sweepStaged(place: string): void {
  for (const name of readdirSync(place).filter((entry) => entry.startsWith('.'))) {
    const madeMs = statSync(join(place, name), { throwIfNoEntry: false })?.mtimeMs;
    if (madeMs !== undefined && Date.now() - madeMs > STAGED_AGE_MS) rmSync(join(place, name), { force: true });
  }
}

function listNumbers(place: string): number[] {
  return readdirSync(place)
    .filter((name) => /^[1-9][0-9]{0,14}$/.test(name))
    .map(Number);
}

function findText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function attempt<T>(act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new LedgerError('LEDGER_LOCK_FAILED', { fields: { errno }, cause });
  }
}

function toLocked(place: string): LedgerError {
  const newest = Math.max(0, ...listNumbers(place));
  const owner = parseOwner(findText(join(place, String(newest))) ?? '');
  return new LedgerError('LEDGER_LOCKED', {
    fields: { holderPid: owner?.pid ?? null, holderHost: owner?.host ?? null },
  });
}
