/** What the thread of the log and its host say to each other; both are ours. */
import type { KeyObject } from 'node:crypto';

/** What the thread is told when it starts. */
export interface LogThreadData {
  /** Absolute path of the folder in which each stream has one. */
  readonly spoolRoot: string;
  readonly stream: string;
  /** As `openDatabase` takes it. */
  readonly database: unknown;
  readonly passfile: string | null;
  /** Ed25519, private. */
  readonly signingKey: KeyObject;
  /** True when a thread of this process had the stream before, and died: its locks are its successor's. */
  readonly isAgain: boolean;
}

/** A place in the spool of the stream. */
export interface MovedTo {
  readonly segment: string;
  readonly offsetBytes: number;
}

export type LogThreadNews =
  /** The stream's folder is there, and locked. */
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'moved' } & MovedTo)
  /** What a process left that is gone could not be read, and was put aside. */
  | { readonly kind: 'aside' }
  | { readonly kind: 'checkpoint'; readonly stream: string; readonly seq: number; readonly hash: string }
  | { readonly kind: 'trouble'; readonly code: string };
