/** Reading the ledger: what was recorded, proofs for outsiders, and a full check. */
import { fsckLedger, type Entry, openLedgerReader, parseProof, verifyProof } from '../ledger/index.ts';
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

export { fsckLedger, parseProof, verifyProof };
