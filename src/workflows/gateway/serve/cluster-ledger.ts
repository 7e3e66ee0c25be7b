/**
 * The owner's ledger as workers use it: the first process alone has the key that signs it, and writes what workers ask for. A
 * worker reads what requests bring, and so it holds nothing by which the ledger could be written anew.
 */
import { z } from 'zod';
import { findHexBytes, toHex } from '../../../core/bytes.ts';
import { CLUSTER_LIMITS } from '../../../core/limits/cluster.ts';
import { type EntryInput, openLedgerReader, type Receipt } from '../../../ledger/index.ts';
import type { Recorder } from '../../recorder.ts';
import type { Services } from '../../services.ts';
import type { Call, CallHandlers } from './cluster-calls.ts';

/** As much of a recorder as serving needs. */
export type LedgerUse = Pick<Recorder, 'origin' | 'actor' | 'writer' | 'record' | 'reader'>;

/** Entries that a worker has reasons to ask for: keys that it uses, and seals that it opens. */
const TYPES = ['key-use-intent', 'key-use-outcome', 'open'] as const;

const entries = z
  .array(z.looseObject({ type: z.enum(TYPES) }))
  .min(1)
  .max(CLUSTER_LIMITS.entriesMax);
const text = z.string().min(1).max(512);
const refusals = z
  .array(z.strictObject({ actor: z.string(), subject: text, cause: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) }))
  .max(CLUSTER_LIMITS.entriesMax);
const receipt = z.strictObject({ firstIndex: z.int().min(0), checkpoint: z.string() });

/** The first process's end. Whatever a worker writes there, the actor is the owner of this ledger. */
export function toLedgerHandlers({ actor, writer }: Pick<Recorder, 'actor' | 'writer'>): CallHandlers {
  return {
    record: (argument) => {
      // The shape of each entry is the ledger's to check, which refuses what is none.
      const asked = entries.parse(argument) as unknown as readonly EntryInput[];
      return writer.append(asked.map((entry) => ({ ...entry, actor })));
    },
    refuse: async (argument) => {
      await writer.refuse(...refusals.parse(argument).map((one) => ({ ...one, actor })));
    },
  };
}

/** What a worker is told of the ledger. */
export const ledgerNameSchema = z.strictObject({
  origin: z.string(),
  actor: z.string(),
  keyId: z.int(),
  publicKeyHex: z.string().regex(/^[0-9a-f]{64}$/),
});
export type LedgerName = z.infer<typeof ledgerNameSchema>;

export function toLedgerName({ origin, actor, key }: Pick<Recorder, 'origin' | 'actor' | 'key'>): LedgerName {
  return { origin, actor, keyId: key.keyId, publicKeyHex: toHex(key.publicKey) };
}

/** A worker's end. */
export function createLedgerUse(
  { storage, home }: Pick<Services, 'storage' | 'home'>,
  { origin, actor, keyId, publicKeyHex }: LedgerName,
  call: Call,
): LedgerUse {
  const record = async (asked: readonly EntryInput[]): Promise<Receipt> => receipt.parse(await call('record', asked));
  const key = { name: origin, keyId, publicKey: findHexBytes(publicKeyHex)! };
  return {
    ...{ origin, actor, record },
    writer: {
      append: record,
      refuse: async (...asked) => {
        await call('refuse', asked);
      },
    },
    reader: () => openLedgerReader({ storage, folder: home.ledgerFolder, key }),
  };
}
