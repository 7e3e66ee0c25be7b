/** A witness: cosigns checkpoints that extend what it cosigned before, and no others (C2SP tlog-witness v1.0.0). */
import { isEqualConstantTime } from '../../core/bytes.ts';
import { LedgerError } from '../../core/errors.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import { isConsistencyProven, toEmptyRoot } from '../../core/merkle.ts';
import type { Clock } from '../../core/ports.ts';
import { cosign, isSignatureBy } from '../cosignature.ts';
import { type Cosigner, encodeCosignerKey } from '../cosigner-key.ts';
import { encodeNote, encodeSignature, type Note, verifyNoteBy } from '../note.ts';
import type { HeldLock, LedgerLock } from '../ports.ts';
import { corrupt, findLog, readCosigner, type WitnessedLog, type WitnessPlace } from './folder.ts';
import { type AddCheckpoint, parseAddCheckpoint } from './request.ts';
import { findState, keepFork, storeState, syncState, type WitnessState } from './state.ts';

/** What a request comes to; the statuses of HTTP that stand for it are in `http.ts`. */
export type WitnessAnswer =
  | { readonly outcome: 'cosigned'; readonly line: string }
  | { readonly outcome: 'unknown-log' | 'untrusted' | 'malformed' | 'unproven' }
  /** The client's old size is not that of the witness. */
  | { readonly outcome: 'stale'; readonly size: number }
  /** Another tree of the size that was cosigned; `isNew` where it is the first one, which is kept. */
  | { readonly outcome: 'fork'; readonly origin: string; readonly size: number; readonly isNew: boolean };

export interface Witness {
  /** Verifier key, text: what users of the logs are told. */
  readonly verifierKey: string;
  /**
   * Judges one `add-checkpoint` body. A cosignature that this returns survives a power cut.
   * @throws LedgerError WITNESS_STATE_CORRUPT | WITNESS_WRITE_FAILED | WITNESS_REPLACED | WITNESS_CLOCK_BACK; SourceError
   */
  add(body: Uint8Array): WitnessAnswer;
  /** Lets the next process serve. */
  close(): void;
}

export interface WitnessOptions extends WitnessPlace {
  readonly clock: Clock;
  readonly lock: LedgerLock;
}

/**
 * Opens the witness in `folder`; this process is the only one that cosigns with its key until `close`.
 * @throws LedgerError WITNESS_NOT_FOUND | WITNESS_KEY_MALFORMED | WITNESS_LOCKED | LEDGER_LOCK_FAILED
 */
export async function openWitness(options: WitnessOptions): Promise<Witness> {
  const cosigner = readCosigner(options);
  try {
    const held = await acquire(options);
    return createWitness(options, cosigner, held);
  } catch (error) {
    cosigner.close();
    throw error;
  }
}

async function acquire({ folder, lock }: WitnessOptions): Promise<HeldLock> {
  try {
    return await lock.acquire({ folder, waitMs: LEDGER_LIMITS.lockWaitMs });
  } catch (cause) {
    if (!(cause instanceof LedgerError) || cause.code !== 'LEDGER_LOCKED') throw cause;
    throw new LedgerError('WITNESS_LOCKED', { fields: cause.fields, cause });
  }
}

interface Serving {
  readonly options: WitnessOptions;
  readonly cosigner: Cosigner;
  readonly held: HeldLock;
  /** By origin: the note that this process stored or found last, which the disk must still have. */
  readonly seen: Map<string, string | undefined>;
  /** Origins whose state could not be written: what the disk has of them is known after a restart only. */
  readonly failed: Set<string>;
}

function createWitness(options: WitnessOptions, cosigner: Cosigner, held: HeldLock): Witness {
  const serving: Serving = { options, cosigner, held, seen: new Map(), failed: new Set() };
  return {
    verifierKey: encodeCosignerKey(cosigner),
    // Without a pause from here to the end: what is checked is what is stored.
    add: (body) => judge(serving, body),
    close: () => {
      cosigner.close();
      held.release();
    },
  };
}

function judge(serving: Serving, body: Uint8Array): WitnessAnswer {
  const request = findRequest(body);
  if (request === undefined) return { outcome: 'malformed' };
  const log = findLog(serving.options, request.origin);
  if (log === undefined) return { outcome: 'unknown-log' };
  if (!isSigned(request, log)) return { outcome: 'untrusted' };
  const { oldSize, head, proof } = request;
  if (oldSize > head.size) return { outcome: 'malformed' };
  const state = readState(serving, log);
  const known = state?.head ?? { size: 0, root: toEmptyRoot() };
  if (oldSize !== known.size) return { outcome: 'stale', size: known.size };
  if (oldSize === head.size && !isEqualConstantTime(known.root, head.root)) return toFork(serving, request, state);
  const evidence = { first: oldSize, firstRoot: known.root, second: head.size, secondRoot: head.root, proof };
  if (!isConsistencyProven(evidence)) return { outcome: 'unproven' };
  return { outcome: 'cosigned', line: store(serving, request, log, state) };
}

function findRequest(body: Uint8Array): AddCheckpoint | undefined {
  try {
    return parseAddCheckpoint(body);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

function isSigned({ note }: AddCheckpoint, { keys }: WitnessedLog): boolean {
  try {
    verifyNoteBy(note, keys);
    return true;
  } catch (error) {
    if (error instanceof LedgerError) return false;
    throw error;
  }
}

/** The state on disk, which must be the one that this process saw last. */
function readState({ options, cosigner, seen, failed }: Serving, log: WitnessedLog): WitnessState | undefined {
  const state = findState(options, log, cosigner);
  const note = state === undefined ? undefined : encodeNote(state.note);
  if (failed.has(log.origin)) throw new LedgerError('WITNESS_WRITE_FAILED');
  if (seen.has(log.origin) && seen.get(log.origin) !== note) throw corrupt('checkpoint');
  // The name that a killed process gave may still be only in memory: it must outlive what is answered from it.
  if (state !== undefined && !seen.has(log.origin)) syncState(options, log.origin);
  seen.set(log.origin, note);
  return state;
}

/** Two trees of one size, both signed by the log: kept as the proof that they are. Of size 0 there is but one tree. */
function toFork(serving: Serving, request: AddCheckpoint, state: WitnessState | undefined): WitnessAnswer {
  const { note, origin, head } = request;
  const isNew = state !== undefined && keepFork(serving.options, origin, [state.note, note]);
  return { outcome: 'fork', origin, size: head.size, isNew };
}

/** Cosigns, stores, and only then lets the cosignature out. */
function store(serving: Serving, { note }: AddCheckpoint, log: WitnessedLog, state: WitnessState | undefined): string {
  const { options, cosigner, held, seen } = serving;
  const timeSeconds = toTime(options.clock, state);
  const again = findRepeated(state, note, timeSeconds)?.note.signatures.find((line) => isSignatureBy(line, cosigner));
  if (again !== undefined) return encodeSignature(again);
  assertHeld(held);
  const cosignature = cosign(note.text, timeSeconds, cosigner);
  const ofLog = note.signatures.filter((signature) => log.keys.some((key) => isSignatureBy(signature, key)));
  const stored = { text: note.text, signatures: [...ofLog, cosignature] };
  guardWrite(serving, log.origin, () => {
    storeState(options, log.origin, stored);
  });
  seen.set(log.origin, encodeNote(stored));
  // Whoever took over while this process stood still may have cosigned something else.
  assertHeld(held);
  return encodeSignature(cosignature);
}

function guardWrite({ failed }: Serving, origin: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    failed.add(origin);
    throw new LedgerError('WITNESS_WRITE_FAILED', { cause });
  }
}

/** The state when the same checkpoint was cosigned just now: who repeats a request shall not cost a write each time. */
function findRepeated(state: WitnessState | undefined, note: Note, nowSeconds: number): WitnessState | undefined {
  if (state?.note.text !== note.text) return undefined;
  return nowSeconds - state.cosignature.timeSeconds < LEDGER_LIMITS.witnessRepeatSeconds ? state : undefined;
}

/** Never before the last one: a later time with a smaller tree would contradict what was said. */
function toTime(clock: Clock, state: WitnessState | undefined): number {
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  const lastSeconds = state?.cosignature.timeSeconds ?? 0;
  if (nowSeconds + LEDGER_LIMITS.witnessClockBackSeconds < lastSeconds) {
    throw new LedgerError('WITNESS_CLOCK_BACK', { fields: { nowSeconds, lastSeconds } });
  }
  return Math.max(nowSeconds, lastSeconds);
}

function assertHeld(held: HeldLock): void {
  if (!held.isHeld()) throw new LedgerError('WITNESS_REPLACED');
}
