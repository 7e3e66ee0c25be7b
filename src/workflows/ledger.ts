/** Reading the ledger: what was recorded, proofs for outsiders, and a full check. */
import { LedgerError } from '../core/errors.ts';
import { type Entry, fsckLedger, type FsckReport, openLedgerReader, type VerifierKey } from '../ledger/index.ts';
import { zeroizeOwner } from '../sign/index.ts';
import { findOwner } from './owner.ts';
import { openRecorder } from './recorder.ts';
import type { Services } from './services.ts';

export interface LedgerSummary {
  readonly origin: string;
  readonly size: number;
  readonly checkpoint: string;
  readonly entries: readonly Entry[];
}

/** The newest `last` entries, oldest first. @throws LedgerError LEDGER_NOT_FOUND and others of reading */
export function listEntries({ storage, home }: Services, last: number): LedgerSummary {
  const reader = openLedgerReader({ storage, folder: home.ledgerFolder });
  const { size } = reader.head;
  return {
    origin: reader.key.name,
    size,
    checkpoint: reader.checkpoint,
    entries: [...reader.entries(Math.max(0, size - last))],
  };
}

/** Text of the proof file (c2sp.org/tlog-proof) for one entry. @throws LedgerError */
export function proveEntry({ storage, home }: Services, index: number): { proof: string; entry: Entry } {
  const reader = openLedgerReader({ storage, folder: home.ledgerFolder });
  return { proof: reader.proof(index), entry: reader.read(index) };
}

export interface LedgerCheck extends FsckReport {
  /** What a killed writer had left unfinished, and what was completed before this check; [] usually. */
  readonly unfinished: FsckReport['findings'];
}

/**
 * Recomputes the whole ledger. Findings that disappear once an unfinished batch is completed, as the next write would
 * complete it, are no change of the past and are told apart.
 * @throws LedgerError LEDGER_NOT_FOUND
 */
export async function checkLedger(services: Services): Promise<LedgerCheck> {
  const { storage, home, progress } = services;
  const check = (key?: VerifierKey): FsckReport => fsckLedger({ storage, folder: home.ledgerFolder, key, progress });
  const owner = findOwner(services);
  if (owner === undefined) return { ...check(), unfinished: [] };
  const recorder = openRecorder(services, owner);
  try {
    const first = check(recorder.key);
    if (first.findings.length === 0) return { ...first, unfinished: [] };
    await recorder.recover();
    const second = check(recorder.key);
    return second.findings.length === 0 ? { ...second, unfinished: first.findings } : { ...first, unfinished: [] };
  } catch (error) {
    // A ledger that cannot be recovered is reported as it lies there.
    if (error instanceof LedgerError) return { ...check(recorder.key), unfinished: [] };
    throw error;
  } finally {
    recorder.close();
    zeroizeOwner(owner);
  }
}
