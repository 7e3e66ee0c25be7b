/** The owner's ledger as workflows use it: locked for each batch only, so that commands can take turns. */
import { zeroize } from '../core/bytes.ts';
import {
  createEd25519Signer,
  createGroupCommit,
  createLedgerWriter,
  type LedgerReader,
  openLedger,
  openLedgerReader,
  type VerifierKey,
} from '../ledger/index.ts';
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
  /**
   * Holds the ledger while `work` runs: what it records at the same moment becomes durable together. No other process
   * records meanwhile, so the work is to be short.
   * @throws LedgerError LEDGER_LOCKED; what `work` throws
   */
  grouped<T>(work: () => Promise<T>): Promise<T>;
  /** Completes or discards what a killed writer left, as every write does first. @throws LedgerError */
  recover(): Promise<void>;
  /** The key that this ledger must have. */
  readonly key: VerifierKey;
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
  const options = { storage, folder: home.ledgerFolder, signer, clock, random, lock: ledgerLock };
  const single = createLedgerWriter(options);
  let active = single;
  const writer: LedgerWriter = {
    append: (entries) => active.append(entries),
    refuse: (...refusals) => active.refuse(...refusals),
  };
  return {
    origin,
    actor: owner.identity.ownerId,
    writer,
    record: (entries) => writer.append(entries),
    reader: () => openLedgerReader({ storage, folder: home.ledgerFolder, key: signer }),
    grouped: async (work) => {
      const ledger = await openLedger(options);
      active = createGroupCommit(ledger);
      try {
        return await work();
      } finally {
        active = single;
        ledger.close();
      }
    },
    recover: async () => {
      const ledger = await openLedger(options);
      ledger.close();
    },
    key: { name: signer.name, keyId: signer.keyId, publicKey: signer.publicKey },
    close: () => {
      signer.close();
    },
  };
}
