/** What fsck can find (docs/spec/ledger.md §11). */
import { type ErrorCode, LedgerError } from '../core/errors.ts';

/** What can be wrong; the list is closed. */
export type FsckCode =
  | 'key-differs'
  | 'checkpoint-unreadable'
  | 'signed-head-unreadable'
  | 'signed-head-differs'
  | 'entry-missing'
  | 'entry-malformed'
  | 'entry-hash-differs'
  | 'bundle-differs'
  | 'tile-missing'
  | 'tile-differs'
  | 'root-differs'
  | 'disclosure-differs'
  | 'history-differs'
  | 'cosigned-unreadable'
  | 'cosignature-invalid'
  | 'witnesses-missing'
  | 'stray-file';

/** One thing that does not fit. */
export interface FsckFinding {
  readonly code: FsckCode;
  readonly index?: number;
  /** Path below the ledger folder. */
  readonly tile?: string;
  readonly expected: string;
  readonly actual: string;
}

/** What lies where nothing should. */
export function toStray(path: string): FsckFinding {
  return { code: 'stray-file', tile: path, expected: 'nothing', actual: 'a file or folder' };
}

/** Undefined where `act` throws that code. */
export function findOr<T>(code: ErrorCode, act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof LedgerError && error.code === code) return undefined;
    throw error;
  }
}
