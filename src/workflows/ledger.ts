/** Reading the ledger: what was recorded, proofs for outsiders, and a full check. */
import { LedgerError } from '../core/errors.ts';
import {
  decodeEntry,
  type Cosignature,
  encodeProof,
  type Entry,
  findCosignedOver,
  fsckLedger,
  type FsckReport,
  openLedgerReader,
  parseCosignerKey,
  parseProof,
  parseVerifierKey,
  toWitnessPolicy,
  type VerifierKey,
  verifyProof,
  type WitnessPolicy,
} from '../ledger/index.ts';
import { zeroizeOwner } from '../sign/index.ts';
import { findOwner } from './owner.ts';
import { openRecorder, type Recorder } from './recorder.ts';
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

/**
 * Text of the proof file (c2sp.org/tlog-proof) for one entry, which it holds as extra data: under the oldest checkpoint
 * that witnesses cosigned, if there is one that covers the entry, else under the newest.
 * @param asked only a checkpoint that enough of these witnesses cosigned will do
 * @throws LedgerError LEDGER_WITNESSES_MISSING when there is none, WITNESS_POLICY_INVALID, and those of reading
 */
export function proveEntry(
  { storage, home }: Services,
  index: number,
  asked?: AskedWitnesses,
): { proof: string; entry: Entry } {
  const folder = home.ledgerFolder;
  const reader = openLedgerReader({ storage, folder });
  const witnesses = asked === undefined ? undefined : toPolicy(asked, reader.key);
  const entry = reader.readBytes(index);
  const cosigned = findCosignedOver({ storage, folder }, index, witnesses);
  const proof = encodeProof({ ...parseProof(reader.proof(index, cosigned)), extra: entry });
  // A file that was put there by somebody else is found here, and not by who gets the proof.
  verifyProof({ proof, entry, key: reader.key, witnesses });
  return { proof, entry: reader.read(index) };
}

export interface CheckedProof {
  readonly origin: string;
  readonly index: number;
  /** Entries that the checkpoint of the proof covers. */
  readonly size: number;
  readonly checkpoint: string;
  readonly entry: Entry;
  /** Of the witnesses that were named. */
  readonly cosignatures: readonly Cosignature[];
}

/**
 * Checks a proof file of {@link proveEntry} as an outsider does: with the key of the ledger alone.
 * @param options.path absolute path of the proof file
 * @param options.verifierKey text of the key, as the owner publishes it
 * @param options.witnesses whose cosignatures the checkpoint must bear
 * @throws LedgerError LEDGER_PROOF_MALFORMED | LEDGER_PROOF_INVALID | LEDGER_NOTE_UNTRUSTED | LEDGER_KEY_MALFORMED |
 *   LEDGER_ENTRY_MALFORMED | LEDGER_COSIGNATURE_INVALID | LEDGER_WITNESSES_MISSING | WITNESS_POLICY_INVALID; SourceError
 */
export function checkProof(
  { storage }: Pick<Services, 'storage'>,
  options: { readonly path: string; readonly verifierKey: string; readonly witnesses?: AskedWitnesses | undefined },
): CheckedProof {
  const key = parseVerifierKey(options.verifierKey);
  const witnesses = options.witnesses === undefined ? undefined : toPolicy(options.witnesses, key);
  const proof = Buffer.from(storage.read(options.path)).toString('utf8');
  const { extra, checkpoint } = parseProof(proof);
  if (extra === undefined) throw new LedgerError('LEDGER_PROOF_MALFORMED', { fields: { part: 'no entry' } });
  const { index, head, cosignatures } = verifyProof({ proof, entry: extra, key, witnesses });
  return { origin: key.name, index, size: head.size, checkpoint, entry: decodeEntry(extra, index), cosignatures };
}

/** Witnesses that a user names, by their keys as they publish them. */
export interface AskedWitnesses {
  readonly keys: readonly string[];
  /** How many of them; all by default. */
  readonly required?: number | undefined;
}

function toPolicy({ keys, required }: AskedWitnesses, ledgerKey: VerifierKey): WitnessPolicy {
  return toWitnessPolicy({ keys: keys.map(parseCosignerKey), required, ledgerKey });
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
 * @param options.witnesses enough of them must have cosigned one of the checkpoints that the folder keeps
 * @throws LedgerError LEDGER_NOT_FOUND; WITNESS_POLICY_INVALID; LEDGER_NOTE_MALFORMED | LEDGER_NOTE_UNTRUSTED for a kept checkpoint that this ledger
 *   did not sign
 */
export async function checkLedger(
  services: Services,
  options: {
    readonly knownPaths?: readonly string[];
    readonly witnesses?: AskedWitnesses | undefined;
    /** Who keeps the ledger; the owner of the home without it. Null: the key in the folder is believed. */
    readonly keeper?: LedgerKeeper | null | undefined;
  } = {},
): Promise<LedgerCheck> {
  const { storage, home, progress } = services;
  const knownCheckpoints = (options.knownPaths ?? []).map((path) => Buffer.from(storage.read(path)).toString('utf8'));
  const check = (key?: VerifierKey): FsckReport => {
    const witnesses =
      options.witnesses === undefined
        ? undefined
        : toPolicy(options.witnesses, key ?? openLedgerReader({ storage, folder: home.ledgerFolder }).key);
    return fsckLedger({ storage, folder: home.ledgerFolder, key, knownCheckpoints, witnesses, progress });
  };
  const keeper = options.keeper === undefined ? findOwnKeeper(services) : options.keeper;
  if (keeper === null) return { ...check(), unfinished: [] };
  try {
    const first = check(keeper.key);
    if (first.findings.length === 0) return { ...first, unfinished: [] };
    await keeper.recover();
    const second = check(keeper.key);
    return second.findings.length === 0 ? { ...second, unfinished: first.findings } : { ...first, unfinished: [] };
  } catch (error) {
    // A ledger that cannot be recovered is reported as it lies there.
    if (error instanceof LedgerError) return { ...check(keeper.key), unfinished: [] };
    throw error;
  } finally {
    keeper.close();
  }
}

/** Whose ledger it is: its key, and what completes a batch that a killed process left. */
export type LedgerKeeper = Pick<Recorder, 'key' | 'recover' | 'close'>;

function findOwnKeeper(services: Services): LedgerKeeper | null {
  const owner = findOwner(services);
  if (owner === undefined) return null;
  const recorder = openRecorder(services, owner);
  return {
    key: recorder.key,
    recover: () => recorder.recover(),
    close: () => {
      recorder.close();
      zeroizeOwner(owner);
    },
  };
}
