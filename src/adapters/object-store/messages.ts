/** What the reading thread and the asking thread say to each other; every call has one answer. */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorCode, ErrorFields } from '../../core/errors.ts';
import type { ObjectState } from './client.ts';

/** What is asked for. Handles are numbers of open objects and of uploads. */
export type Ask =
  | { readonly kind: 'open'; readonly address: string }
  | { readonly kind: 'read'; readonly handle: number; readonly start: number; readonly end: number }
  | { readonly kind: 'close'; readonly handle: number }
  | { readonly kind: 'upload'; readonly address: string; readonly replace: boolean }
  | { readonly kind: 'part'; readonly handle: number; readonly number: number; readonly bytes: Uint8Array }
  | {
      readonly kind: 'complete';
      readonly handle: number;
      readonly number: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'abort'; readonly handle: number };

export interface Call {
  readonly id: number;
  readonly ask: Ask;
}

export interface Told extends ObjectState {
  readonly handle: number;
}

export type Outcome =
  | { readonly ok: true; readonly value: Told | Uint8Array | null }
  | { readonly ok: false; readonly error: { code: ErrorCode; message: string; fields: ErrorFields } }
  /** A mistake of ours, in words. */
  | { readonly ok: false; readonly internal: string };

export interface Answer {
  readonly id: number;
  readonly outcome: Outcome;
}

/** What the asking thread is started with. */
export interface ThreadData {
  /** One 32-bit counter: raised, and its waiters woken, at the start and with every answer. */
  readonly answered: SharedArrayBuffer;
  readonly port: MessagePort;
}
