/** Names of unfinished outputs, and the cleaning of those whose run died (kill -9, power cut). */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { SourceError } from '../core/errors.ts';
import type { Storage } from './ports.ts';

/** Which run an unfinished output belongs to. Tests pass their own. */
export interface RunIdentity {
  /** 8 hex digits that tell machines (and containers) on one shared disk apart. */
  readonly hostTag: string;
  readonly pid: number;
  isAlive(pid: number): boolean;
}

export const nodeRun: RunIdentity = {
  hostTag: createHash('sha256').update(hostname()).digest('hex').slice(0, 8),
  pid: process.pid,
  isAlive(pid) {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      // EPERM: it exists but belongs to somebody else.
      return (error as { code?: unknown }).code === 'EPERM';
    }
  },
};

/** `part`: being written. `old`: the former output, moved aside for the instant of a replacement. */
export type LeftoverKind = 'part' | 'old';

const live = new Set<string>();

/** An unused hidden sibling name for `path`; call `release` when it is gone or renamed. */
export function claimSibling(
  storage: Storage,
  path: string,
  kind: LeftoverKind,
  run: RunIdentity,
): { path: string; release: () => void } {
  for (let n = 1; ; n++) {
    const sibling = join(dirname(path), `.${basename(path)}.modelward-${kind}-${run.hostTag}-${run.pid}-${n}`);
    if (live.has(sibling) || storage.exists(sibling)) continue;
    live.add(sibling);
    return { path: sibling, release: () => live.delete(sibling) };
  }
}

/**
 * Removes unfinished outputs beside `target` that dead runs of this machine left, and puts a former output back when
 * the run died between moving it aside and putting the new one in place. Runs of other machines are left alone.
 * @returns the names that were removed or put back
 */
export function cleanLeftovers(storage: Storage, target: string, run: RunIdentity = nodeRun): readonly string[] {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.modelward-`;
  const dead = storage.list(folder).filter((name) => name.startsWith(prefix) && isDead(join(folder, name), run));
  // Old ones first: whether to put one back depends on the target, which removing parts does not change.
  for (const name of dead) {
    const path = join(folder, name);
    if (name.startsWith(`${prefix}old-`) && !storage.exists(target)) storage.rename(path, target);
    else removeTree(storage, path);
  }
  if (dead.length > 0) storage.syncFolder(folder);
  return dead;
}

function isDead(path: string, run: RunIdentity): boolean {
  const match = /\.modelward-(?:part|old)-([0-9a-f]{8})-(\d{1,10})-\d{1,9}$/.exec(path);
  if (match?.[1] !== run.hostTag) return false;
  const pid = Number(match[2]);
  // Our own pid with a name that this process never claimed: a container restarted with the same pid.
  return pid === run.pid ? !live.has(path) : !run.isAlive(pid);
}

/** Removes a file, or a folder with all that it holds. */
export function removeTree(storage: Storage, path: string): void {
  try {
    storage.remove(path);
    return;
  } catch (error) {
    // Unlinking a folder fails with a different errno on each system; listing a file fails on all.
    if (!(error instanceof SourceError)) throw error;
  }
  for (const name of storage.list(path)) removeTree(storage, join(path, name));
  storage.removeFolder(path);
}
