/** The owner's end: the cosignature of a witness on the newest checkpoint, kept beside it. */
import { utf8 } from '../../core/bytes.ts';
import { LedgerError } from '../../core/errors.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import {
  askWitness,
  type CosignerKey,
  findCosignature,
  findCosigned,
  type GivenCosignature,
  keepCosignatures,
  type LedgerReader,
  listCosignedSizes,
  openLedgerReader,
  parseCosignerKey,
  parseNote,
  toWitnessPolicy,
  type WitnessLink,
} from '../../ledger/index.ts';
import type { Services } from '../services.ts';

export interface CosignLedgerOptions {
  readonly link: WitnessLink;
  /** Verifier key of the witness, text, as those who run it publish it. */
  readonly witnessKey: string;
}

export interface CosignedLedger {
  readonly origin: string;
  readonly size: number;
  readonly witness: string;
  /** By the clock of the witness. */
  readonly cosignedAt: string;
  /** The kept checkpoint with all its cosignatures, text. */
  readonly checkpoint: string;
}

/** Kept checkpoints that are looked through for the last one that a witness knows; it tells itself, when asked. */
const LOOK_BACK_MAX = 16;

/**
 * @throws LedgerError as `askWitness`; LEDGER_NOT_FOUND | LEDGER_KEY_MALFORMED | WITNESS_POLICY_INVALID when the key is
 *   the ledger's own | LEDGER_LOCKED
 */
export async function cosignLedger(
  services: Pick<Services, 'storage' | 'home' | 'clock' | 'ledgerLock'>,
  { link, witnessKey }: CosignLedgerOptions,
): Promise<CosignedLedger> {
  const { storage, clock, ledgerLock } = services;
  const folder = services.home.ledgerFolder;
  const key = parseCosignerKey(witnessKey);
  const open = (): LedgerReader => openLedgerReader({ storage, folder });
  const ask = async (reader: LedgerReader): Promise<GivenCosignature & { reader: LedgerReader }> => {
    const oldSize = findKnownSize(services, reader, key);
    return { ...(await askWitness({ link, key, reader, oldSize, clock })), reader };
  };
  const first = open();
  toWitnessPolicy({ keys: [key], ledgerKey: first.key });
  const { reader, cosignature, signatures } = await ask(first).catch((error: unknown) => {
    // Another process may have appended, and had that cosigned, since the checkpoint was read.
    const isConflict = error instanceof LedgerError && error.code === 'WITNESS_CONFLICT';
    const newer = isConflict ? open() : first;
    if (newer.head.size <= first.head.size) throw error;
    return ask(newer);
  });
  const { size } = reader.head;
  const held = await ledgerLock.acquire({ folder, waitMs: LEDGER_LIMITS.lockWaitMs });
  try {
    keepCosignatures({ storage, folder, size, checkpoint: reader.checkpoint, signatures });
  } finally {
    held.release();
  }
  return {
    origin: reader.key.name,
    size,
    witness: key.name,
    cosignedAt: new Date(cosignature.timeSeconds * 1000).toISOString(),
    checkpoint: findCosigned({ storage, folder }, size) ?? reader.checkpoint,
  };
}

/** The newest size that this witness is known to have cosigned; 0 when it is not known. */
function findKnownSize(
  { storage, home }: Pick<Services, 'storage' | 'home'>,
  reader: LedgerReader,
  key: CosignerKey,
): number {
  const place = { storage, folder: home.ledgerFolder };
  const sizes = listCosignedSizes(place).filter((size) => size <= reader.head.size);
  const isBy = (size: number): boolean => {
    const note = parseNote(utf8(findCosigned(place, size) ?? ''));
    return findCosignature(note, key) !== undefined;
  };
  return sizes.slice(-LOOK_BACK_MAX).reverse().find(isBy) ?? 0;
}
