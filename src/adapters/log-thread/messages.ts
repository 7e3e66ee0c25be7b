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
}

export type LogThreadNews =
  /** The stream's folder is there, and locked. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'moved'; readonly bytes: number }
  | { readonly kind: 'checkpoint'; readonly stream: string; readonly seq: number; readonly hash: string }
  | { readonly kind: 'trouble'; readonly code: string };
