/** The ledger for writing: durable batches, each under a signed checkpoint (docs/spec/ledger.md §7). */
import { isEqualConstantTime, toHex, utf8 } from '../core/bytes.ts';
import { type ErrorFields, LedgerError, ModelwardError } from '../core/errors.ts';
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';
import { isConsistencyProven, toConsistencyProof, toRootAt } from '../core/merkle.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { Storage } from '../source/ports.ts';
import type { TreeHead } from './checkpoint.ts';
import { commitField, type Disclosure, drawSalt } from './commitment.ts';
import { DurableFiles } from './durable-files.ts';
import { assertEntryInput, encodeEntry, type Entry, type EntryInput, isKeyUse } from './entry.ts';
import { REFUSALS_FILE, STATE_FILE, toPrivateFolder } from './layout.ts';
import { publish, type RecoveredLedger, recoverLedger } from './open.ts';
import type { HeldLock, LedgerLock, NoteSigner, Receipt, Refusal } from './ports.ts';
import { type LedgerReader, readAt } from './reader.ts';
import { countRefusal, isRecorded, loadRefusals, splitOverdue, storeRefusals, toRefusalEntry } from './refusals.ts';
import { findSignedState } from './signed-state.ts';
import { extendTail } from './tail.ts';
import { TILE_WIDTH } from './tile-path.ts';
import { TileReader } from './tile-reader.ts';

export interface LedgerOptions {
  readonly storage: Storage;
  /** Absolute path; the folder above it exists. */
  readonly folder: string;
  readonly signer: NoteSigner;
  readonly clock: Clock;
  readonly random: Random;
  readonly lock: LedgerLock;
  /** Default 10 s. */
  readonly lockWaitMs?: number;
  /** Room of the ledger and the part of it that only key use may fill. */
  readonly quota?: { readonly entriesMax: number; readonly reservedForKeyUse: number };
}

/** An open ledger; this process is its only writer until `close`. */
export interface Ledger {
  /** Reads at the newest checkpoint. */
  reader(): LedgerReader;
  /** The newest signed checkpoint, text. */
  checkpoint(): string;
  /**
   * Records a batch under one checkpoint. When this returns, the entries survive a power cut; when it throws, none of
   * them is promised, and after LEDGER_WRITE_FAILED the ledger must be opened anew.
   * @param entries 0..4,096
   * @throws LedgerError LEDGER_ENTRY_REFUSED | LEDGER_ENTRY_TOO_LARGE | LEDGER_BATCH_TOO_LARGE | LEDGER_FULL |
   * LEDGER_LOCK_LOST | LEDGER_WRITE_FAILED | LEDGER_CORRUPT
   */
  append(entries: readonly EntryInput[]): Receipt;
  /** Counts a refusal; written with the first batch after its minute, or when the next writer opens. */
  refuse(refusal: Refusal): void;
  /** Stores waiting refusals and lets the next writer in. */
  close(): void;
}

/**
 * Opens the ledger in `folder` for writing, makes it when there is none, and recovers it after a crash.
 * @throws LedgerError LEDGER_LOCKED after `lockWaitMs` | LEDGER_LOCK_FAILED | LEDGER_WRONG_KEY | LEDGER_CORRUPT |
 * LEDGER_FORKED
 */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { storage, folder, lock } = options;
  if (!storage.exists(folder)) storage.makeFolder(folder, 0o700);
  const held = await lock.acquire({ folder, waitMs: options.lockWaitMs ?? LEDGER_LIMITS.lockWaitMs });
  try {
    return createWriter(options, held, recoverLedger(options));
  } catch (error) {
    held.release();
    throw error;
  }
}

function createWriter(options: LedgerOptions, held: HeldLock, recovered: RecoveredLedger): Ledger {
  const { storage, folder, clock } = options;
  const writer: Writer = {
    options,
    held,
    ...recovered,
    files: new DurableFiles(storage, folder),
    refusals: [],
    status: 'open',
  };
  loadWaiting(writer);
  return {
    reader: () => readAt({ storage, folder, key: options.signer, checkpoint: writer.checkpoint, head: writer.head }),
    checkpoint: () => writer.checkpoint,
    append: (entries) => {
      assertOpen(writer);
      return appendWithRefusals(writer, entries);
    },
    refuse: (refusal) => {
      assertOpen(writer);
      const nowMs = clock.nowMs();
      const known = writer.refusals.length;
      countRefusal([], refusal, nowMs).map(toRefusalEntry).forEach(assertEntryInput);
      writer.refusals = countRefusal(writer.refusals, refusal, nowMs);
      // A flood writes once per cause and minute; the counts in between are stored with the next change.
      if (writer.refusals.length > known) storeWaitingOrFail(writer);
      if (splitOverdue(writer.refusals, nowMs).overdue.length > 0) appendWithRefusals(writer, []);
    },
    close: () => {
      if (writer.status === 'closed') return;
      const isWhole = writer.status === 'open';
      writer.status = 'closed';
      try {
        if (isWhole && held.isHeld() && writer.refusals.length > 0) storeWaiting(writer);
      } finally {
        writer.state.close();
        held.release();
      }
    },
  };
}

type Writer = { -readonly [K in keyof RecoveredLedger]: RecoveredLedger[K] } & {
  readonly options: LedgerOptions;
  readonly held: HeldLock;
  readonly files: DurableFiles;
  refusals: ReturnType<typeof countRefusal>;
  status: 'open' | 'failed' | 'closed';
};

function assertOpen(writer: Writer): void {
  if (writer.status === 'closed') throw new TypeError('the ledger is closed');
  if (writer.status === 'failed') throw new LedgerError('LEDGER_WRITE_FAILED', { fields: { reason: 'failed before' } });
}

/** The caller's entries first: overdue refusals only get the room that is left beside the reserve for key use. */
function appendWithRefusals(writer: Writer, entries: readonly EntryInput[]): Receipt {
  const { clock } = writer.options;
  entries.forEach(assertEntryInput);
  if (entries.length > LEDGER_LIMITS.batchEntriesMax) {
    throw new LedgerError('LEDGER_BATCH_TOO_LARGE', { fields: { entriesMax: LEDGER_LIMITS.batchEntriesMax } });
  }
  const { entriesMax, reservedForKeyUse } = toQuota(writer.options);
  const room = entries.every(isKeyUse) ? entriesMax : entriesMax - reservedForKeyUse;
  if (entries.length > 0 && writer.head.size + entries.length > room) {
    throw new LedgerError('LEDGER_FULL', { fields: { size: writer.head.size, entriesMax, reservedForKeyUse } });
  }
  const { overdue, rest } = splitOverdue(writer.refusals, clock.nowMs());
  const left = Math.min(
    entriesMax - reservedForKeyUse - writer.head.size - entries.length,
    LEDGER_LIMITS.batchEntriesMax - entries.length,
  );
  const due = overdue.slice(0, Math.max(0, left));
  const receipt = commitBatch(writer, [...entries, ...due.map(toRefusalEntry)]);
  if (due.length > 0) {
    writer.refusals = [...overdue.slice(due.length), ...rest];
    storeWaitingOrFail(writer);
  }
  return receipt;
}

/** One batch: files, sync, stored head, signature, checkpoint. The order is the crash rule. */
function commitBatch(writer: Writer, inputs: readonly EntryInput[]): Receipt {
  const firstIndex = writer.head.size;
  if (inputs.length === 0) return { firstIndex, checkpoint: writer.checkpoint };
  const { leaves, disclosures } = encodeBatch(writer.options, firstIndex, inputs);
  assertStillOurs(writer);
  return guard(writer, () => {
    const { folder, storage } = writer.options;
    const outdated = extendTail({ tail: writer.tail, leaves, files: writer.files, folder });
    writeDisclosures(writer, disclosures);
    writer.files.flush();
    const head = readNewHead(writer);
    assertStillOurs(writer);
    writer.state.write(head);
    writer.checkpoint = publish(writer.options, head);
    writer.head = head;
    for (const path of outdated) if (storage.exists(path)) writer.files.dropFolder(path);
    return { firstIndex, checkpoint: writer.checkpoint };
  });
}

/** After a failed write, memory and disk may differ: only a recovery may go on from there. */
function guard<T>(writer: Writer, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    writer.status = 'failed';
    writer.files.close();
    if (cause instanceof LedgerError) throw cause;
    const fields: ErrorFields = cause instanceof ModelwardError ? { reason: cause.code, ...cause.fields } : {};
    throw new LedgerError('LEDGER_WRITE_FAILED', { fields, cause });
  }
}

function encodeBatch(
  { clock, random }: LedgerOptions,
  firstIndex: number,
  inputs: readonly EntryInput[],
): { leaves: Uint8Array[]; disclosures: Disclosure[] } {
  const ts = new Date(clock.nowMs()).toISOString();
  const disclosures: Disclosure[] = [];
  const leaves = inputs.map(({ sensitive, ...input }, i) => {
    const seq = firstIndex + i;
    const commitments: Record<string, string> = {};
    for (const [field, value] of Object.entries(sensitive ?? {})) {
      const salt = drawSalt(random);
      commitments[field] = commitField({ field, value, salt });
      disclosures.push({ index: seq, field, value, saltHex: toHex(salt) });
    }
    const entry = { v: 1, seq, ts, ...input, ...(sensitive === undefined ? {} : { commitments }) } as Entry;
    return encodeEntry(entry);
  });
  return { leaves, disclosures };
}

/** One file for the disclosures of one batch in one bundle, named by its first entry. */
function writeDisclosures({ files, options }: Writer, disclosures: readonly Disclosure[]): void {
  const toBundle = (row: Disclosure): number => Math.floor(row.index / TILE_WIDTH);
  for (const bundle of new Set(disclosures.map(toBundle))) {
    const rows = disclosures.filter((row) => toBundle(row) === bundle);
    const first = rows[0].index;
    files.create(`${options.folder}/${toPrivateFolder(first)}/${first}.json`, utf8(JSON.stringify(rows)));
  }
}

/**
 * The head of the tree as it can be read back from the files, proven to extend the head that was signed last.
 * @throws LedgerError LEDGER_CORRUPT
 */
function readNewHead({ tail, head, options }: Writer): TreeHead {
  const { node } = new TileReader({ ...options, size: tail.size });
  const root = toRootAt(tail.size, node);
  const proof = toConsistencyProof({ first: head.size, second: tail.size, node });
  const evidence = { first: head.size, firstRoot: head.root, second: tail.size, secondRoot: root, proof };
  if (!isConsistencyProven(evidence)) {
    throw new LedgerError('LEDGER_CORRUPT', { fields: { signedSize: head.size, size: tail.size } });
  }
  return { size: tail.size, root };
}

/** A writer that stood still for long may have been replaced; the stored head shows it even if the lock does not. */
function assertStillOurs({ held, state, head, options }: Writer): void {
  const { storage, folder, signer } = options;
  const stored = held.isHeld() ? findSignedState(storage, `${folder}/${STATE_FILE}`, signer) : undefined;
  const isOurs =
    stored?.counter === state.counter && stored.size === head.size && isEqualConstantTime(stored.root, head.root);
  if (!isOurs) throw new LedgerError('LEDGER_LOCK_LOST', { fields: { size: head.size } });
}

function toQuota(options: LedgerOptions): { entriesMax: number; reservedForKeyUse: number } {
  return (
    options.quota ?? {
      entriesMax: LEDGER_LIMITS.entriesMax,
      reservedForKeyUse: LEDGER_LIMITS.entriesReservedForKeyUse,
    }
  );
}

function storeWaitingOrFail(writer: Writer): void {
  guard(writer, () => {
    storeWaiting(writer);
  });
}

function storeWaiting({ options, head, refusals }: Writer): void {
  const { storage, folder, signer } = options;
  storeRefusals({ storage, path: `${folder}/${REFUSALS_FILE}`, waiting: { size: head.size, rows: refusals }, signer });
}

/** Rows of the last writer, less those that it recorded just before it was cut off; they can only be in its last batch. */
function loadWaiting(writer: Writer): void {
  const { storage, folder, signer } = writer.options;
  const { head, checkpoint } = writer;
  const waiting = loadRefusals(storage, `${folder}/${REFUSALS_FILE}`, signer);
  writer.refusals = [...waiting.rows];
  const from = Math.max(waiting.size, head.size - LEDGER_LIMITS.batchEntriesMax);
  if (waiting.rows.length === 0 || from >= head.size) return;
  const reader = readAt({ storage, folder, key: signer, checkpoint, head });
  const recorded = [...reader.entries(from)].filter((entry) => entry.type === 'refusal');
  writer.refusals = waiting.rows.filter((row) => !recorded.some((entry) => isRecorded(row, entry.detail)));
  storeWaiting(writer);
}
