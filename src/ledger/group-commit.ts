/** Writers for workflows: open for each batch, or held open with all entries of one moment under one checkpoint. */
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';
import { type Ledger, type LedgerOptions, openLedger } from './ledger.ts';
import type { EntryInput, LedgerWriter, Receipt } from './ports.ts';

/**
 * Opens, writes and closes for every call, so that several commands can take turns on one ledger. Suits commands that
 * record now and then; a long-running service holds the ledger open with `createGroupCommit`.
 */
export function createLedgerWriter(options: LedgerOptions): LedgerWriter {
  const withLedger = async <T>(act: (ledger: Ledger) => T): Promise<T> => {
    const ledger = await openLedger(options);
    try {
      return act(ledger);
    } finally {
      ledger.close();
    }
  };
  return {
    append: (entries) => withLedger((ledger) => ledger.append(entries)),
    refuse: (...refusals) =>
      withLedger((ledger) => {
        for (const refusal of refusals) ledger.refuse(refusal);
      }),
  };
}

interface Waiting {
  readonly entries: readonly EntryInput[];
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Joins all batches that are asked for before the event loop turns into one durable batch: concurrent requests share
 * the cost of a few syncs. A batch that cannot be written fails alone; the others are tried without it.
 * @param ledger open; the caller closes it
 */
export function createGroupCommit(ledger: Ledger): LedgerWriter {
  const waiting: Waiting[] = [];
  const flush = (): void => {
    for (const group of splitGroups(waiting.splice(0))) commitGroup(ledger, group);
  };
  return {
    append: (entries) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ entries, resolve, reject });
      }),
    refuse: (...refusals) =>
      new Promise((resolve) => {
        for (const refusal of refusals) ledger.refuse(refusal);
        resolve();
      }),
  };
}

function commitGroup(ledger: Ledger, group: readonly Waiting[]): void {
  try {
    const receipt = ledger.append(group.flatMap((batch) => batch.entries));
    let firstIndex = receipt.firstIndex;
    for (const batch of group) {
      batch.resolve({ ...receipt, firstIndex });
      firstIndex += batch.entries.length;
    }
  } catch (error) {
    if (group.length === 1) group[0].reject(error);
    else for (const batch of group) commitGroup(ledger, [batch]);
  }
}

function splitGroups(waiting: readonly Waiting[]): Waiting[][] {
  const groups: Waiting[][] = [];
  let entries = Number.POSITIVE_INFINITY;
  for (const batch of waiting) {
    if (entries + batch.entries.length > LEDGER_LIMITS.batchEntriesMax) {
      groups.push([]);
      entries = 0;
    }
    groups.at(-1)!.push(batch);
    entries += batch.entries.length;
  }
  return groups;
}
