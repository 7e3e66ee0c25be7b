/** The owner's ledger as workflows use it: opened once per command, on first use, and closed at its end. */
import { zeroize } from '../core/bytes.ts';
import { createEd25519Signer, type Ledger, type LedgerReader, openLedger } from '../ledger/index.ts';
import type { EntryInput, LedgerWriter, Receipt } from '../ledger/ports.ts';
import type { Owner } from '../sign/index.ts';
import type { Services } from './services.ts';

export interface Recorder {
  /** Name of the log: the owner's verifier key name. */
  readonly origin: string;
  readonly actor: string;
  readonly writer: LedgerWriter;
  record(entries: readonly EntryInput[]): Promise<Receipt>;
  reader(): LedgerReader;
  checkpoint(): string;
  close(): void;
}

/**
 * Opens the ledger of `owner` for writing; waits for another writer.
 * @throws LedgerError LEDGER_LOCKED | LEDGER_CORRUPT | LEDGER_FORKED | LEDGER_WRONG_KEY
 */
export async function openRecorder(services: Services, owner: Owner): Promise<Recorder> {
  const seed = Uint8Array.from(owner.secrets.ledgerSeed);
  const origin = owner.identity.ledgerVkeyName;
  const signer = createEd25519Signer({ name: origin, seed });
  zeroize(seed);
  let ledger: Ledger;
  try {
    ledger = await openLedger({
      storage: services.storage,
      folder: services.home.ledgerFolder,
      signer,
      clock: services.clock,
      random: services.random,
      lock: services.ledgerLock,
    });
  } catch (error) {
    signer.close();
    throw error;
  }
  const writer = toWriter(ledger);
  return {
    origin,
    actor: owner.identity.ownerId,
    writer,
    record: (entries) => writer.append(entries),
    reader: () => ledger.reader(),
    checkpoint: () => ledger.checkpoint(),
    close: () => {
      ledger.close();
      signer.close();
    },
  };
}

function toWriter(ledger: Ledger): LedgerWriter {
  return {
    append: (entries) =>
      new Promise((resolve) => {
        resolve(ledger.append(entries));
      }),
    refuse: (refusal) =>
      new Promise((resolve) => {
        ledger.refuse(refusal);
        resolve();
      }),
  };
}
