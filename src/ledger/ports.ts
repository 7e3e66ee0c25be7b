/** What workflows and adapters see of the ledger: signer, writer and lock. */
import type { EntryInput } from './entry.ts';

export type { EntryInput };

/** Signs checkpoints. An implementation must sign exactly the given bytes with pure Ed25519 (RFC 8032). */
export interface NoteSigner {
  /** Key name, also the origin of the ledger: non-empty, no Unicode space, no "+". */
  readonly name: string;
  /** First four bytes, as u32 big-endian, of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). */
  readonly keyId: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(text: Uint8Array): Uint8Array;
  /** Forgets the private key; signing afterwards is a TypeError. */
  close(): void;
}

/** Where an entry came to lie, and the signed note that covers it. */
export interface Receipt {
  /** Index of the first entry of the batch; the others follow. */
  readonly firstIndex: number;
  /** The signed checkpoint, text; its size is at least firstIndex + the number of entries. */
  readonly checkpoint: string;
}

/** What workflows record with. Entries are durable when the promise is fulfilled, and not recorded when it is not. */
export interface LedgerWriter {
  /**
   * @throws LedgerError LEDGER_LOCKED | LEDGER_LOCK_LOST | LEDGER_WRITE_FAILED | LEDGER_FULL | LEDGER_ENTRY_REFUSED |
   * LEDGER_ENTRY_TOO_LARGE | LEDGER_BATCH_TOO_LARGE | LEDGER_CORRUPT | LEDGER_FORKED
   */
  append(entries: readonly EntryInput[]): Promise<Receipt>;
  /** Counts refusals, all in one opening of the ledger; they are written when their minute is over (docs/spec/ledger.md §9). */
  refuse(...refusals: readonly Refusal[]): Promise<void>;
}

/** One thing that was refused before any key was asked for. */
export interface Refusal {
  readonly actor: string;
  readonly subject: string;
  /** Stable name of the reason, such as an error code: A-Z, a-z, 0-9, "_" and "-", at most 64 characters. */
  readonly cause: string;
}

/** Excludes other writers of one ledger. */
export interface LedgerLock {
  /**
   * Waits for the lock, at most `waitMs`. An implementation must let a holder that was killed be replaced, must never
   * have two holders that both see `isHeld()`, and must not block the event loop while it waits.
   * @throws LedgerError LEDGER_LOCKED | LEDGER_LOCK_FAILED
   */
  acquire(options: { readonly folder: string; readonly waitMs: number }): Promise<HeldLock>;
}

export interface HeldLock {
  /** False as soon as somebody else took over; asked before every signature. */
  isHeld(): boolean;
  release(): void;
}

/** What a witness answered; nothing of it is believed. */
export interface WitnessReply {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

/** The way to a witness. */
export interface WitnessLink {
  /**
   * Posts one `add-checkpoint` request. An implementation must bound time and size of the answer, follow no redirect, and
   * take no connection that could be altered on its way.
   * @throws LedgerError WITNESS_UNREACHABLE
   */
  addCheckpoint(body: Uint8Array): Promise<WitnessReply>;
}
