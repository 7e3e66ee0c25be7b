/** Reading the ledger: what was recorded, proofs for outsiders, and a full check. */
import { LedgerError } from '../core/errors.ts';
import {
  decodeEntry,
  encodeProof,
  type Entry,
  fsckLedger,
  type FsckReport,
  openLedgerReader,
  parseProof,
  parseVerifierKey,
  type VerifierKey,
  verifyProof,
} from '../ledger/index.ts';
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

/** Text of the proof file (c2sp.org/tlog-proof) for one entry, which it holds as extra data. @throws LedgerError */
export function proveEntry({ storage, home }: Services, index: number): { proof: string; entry: Entry } {
  const reader = openLedgerReader({ storage, folder: home.ledgerFolder });
  const proof = encodeProof({ ...parseProof(reader.proof(index)), extra: reader.readBytes(index) });
  return { proof, entry: reader.read(index) };
}

export interface CheckedProof {
  readonly origin: string;
  readonly index: number;
  /** Entries that the checkpoint of the proof covers. */
  readonly size: number;
  readonly checkpoint: string;
  readonly entry: Entry;
}

/**
 * Checks a proof file of {@link proveEntry} as an outsider does: with the key of the ledger alone.
 * @param options.path absolute path of the proof file
 * @param options.verifierKey text of the key, as the owner publishes it
 * @throws LedgerError LEDGER_PROOF_MALFORMED | LEDGER_PROOF_INVALID | LEDGER_NOTE_UNTRUSTED | LEDGER_KEY_MALFORMED |
 *   LEDGER_ENTRY_MALFORMED; SourceError
 */
export function checkProof(
  { storage }: Pick<Services, 'storage'>,
  options: { readonly path: string; readonly verifierKey: string },
): CheckedProof {
  const key = parseVerifierKey(options.verifierKey);
  const proof = Buffer.from(storage.read(options.path)).toString('utf8');
  const { extra, checkpoint } = parseProof(proof);
  if (extra === undefined) throw new LedgerError('LEDGER_PROOF_MALFORMED', { fields: { part: 'no entry' } });
  const { index, head } = verifyProof({ proof, entry: extra, key });
  return { origin: key.name, index, size: head.size, checkpoint, entry: decodeEntry(extra, index) };
}

export interface LedgerCheck extends FsckReport {
  /** What a killed writer had left unfinished, and what was completed before this check; [] usually. */
  readonly unfinished: FsckReport['findings'];
}

/**
 * Recomputes the whole ledger. Findings that disappear once an unfinished batch is completed, as the next write would
 * complete it, are no change of the past and are told apart.
 * @param options.knownPaths absolute paths of checkpoints that were published or kept elsewhere: each must be a beginning
 *   of this history
 * @throws LedgerError LEDGER_NOT_FOUND; LEDGER_NOTE_MALFORMED | LEDGER_NOTE_UNTRUSTED for a kept checkpoint that this ledger
 *   did not sign
 */
export async function checkLedger(
  services: Services,
  options: { readonly knownPaths?: readonly string[] } = {},
): Promise<LedgerCheck> {
  const { storage, home, progress } = services;
  const knownCheckpoints = (options.knownPaths ?? []).map((path) => Buffer.from(storage.read(path)).toString('utf8'));
  const check = (key?: VerifierKey): FsckReport =>
    fsckLedger({ storage, folder: home.ledgerFolder, key, knownCheckpoints, progress });
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
