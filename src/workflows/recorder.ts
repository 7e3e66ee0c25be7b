/** The owner's ledger as workflows use it: locked for each batch only, so that commands can take turns. */
import { zeroize } from '../core/bytes.ts';
import { createEd25519Signer, createLedgerWriter, type LedgerReader, openLedgerReader } from '../ledger/index.ts';
import type { EntryInput, LedgerWriter, Receipt } from '../ledger/ports.ts';
import type { Owner } from '../sign/index.ts';
import type { Services } from './services.ts';

export interface Recorder {
  /** Name of the log: the owner's verifier key name. */
  readonly origin: string;
  readonly actor: string;
  readonly writer: LedgerWriter;
  record(entries: readonly EntryInput[]): Promise<Receipt>;
  /** As of the newest checkpoint. @throws LedgerError */
  reader(): LedgerReader;
  /** Forgets the signing key. */
  close(): void;
}

/** Writing waits up to 10 s for another writer, and fails with LEDGER_LOCKED. */
export function openRecorder(services: Services, owner: Owner): Recorder {
  const { storage, clock, random, home, ledgerLock } = services;
  const seed = Uint8Array.from(owner.secrets.ledgerSeed);
  const origin = owner.identity.ledgerVkeyName;
  const signer = createEd25519Signer({ name: origin, seed });
  zeroize(seed);
  const writer = createLedgerWriter({ storage, folder: home.ledgerFolder, signer, clock, random, lock: ledgerLock });
  return {
    origin,
    actor: owner.identity.ownerId,
    writer,
    record: (entries) => writer.append(entries),
    reader: () => openLedgerReader({ storage, folder: home.ledgerFolder, key: signer }),
    close: () => {
      signer.close();
    },
  };
}
