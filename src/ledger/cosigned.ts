/** Checkpoints with the cosignatures of witnesses, one file for each size, beside the newest checkpoint (docs/spec/witness.md §7). */
import { utf8 } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import type { Storage } from '../source/ports.ts';
import { verifyCosignatures, type WitnessPolicy } from './cosignature.ts';
import { findFile, replaceFile } from './durable-files.ts';
import { COSIGNED_FOLDER } from './layout.ts';
import { encodeNote, type Note, type NoteSignature, parseNote } from './note.ts';

interface Place {
  readonly storage: Storage;
  readonly folder: string;
}

/** Sizes of which a cosigned checkpoint is kept, smallest first. */
export function listCosignedSizes({ storage, folder }: Place): number[] {
  const names = storage.list(`${folder}/${COSIGNED_FOLDER}`).filter((name) => /^(0|[1-9]\d{0,15})$/.test(name));
  return names.map(Number).sort((a, b) => a - b);
}

/** The kept checkpoint of a size, text; undefined when there is none. Nothing of it is verified. */
export function findCosigned({ storage, folder }: Place, size: number): string | undefined {
  const bytes = findFile(storage, `${folder}/${COSIGNED_FOLDER}/${size}`);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8');
}

/**
 * The smallest kept checkpoint that covers an entry: it is the oldest, and so says most about when the entry was there.
 * @param policy only those that enough of these witnesses cosigned
 * @throws LedgerError LEDGER_NOTE_MALFORMED | LEDGER_COSIGNATURE_INVALID
 */
export function findCosignedOver(place: Place, index: number, policy?: WitnessPolicy): string | undefined {
  for (const size of listCosignedSizes(place)) {
    const checkpoint = size > index ? findCosigned(place, size) : undefined;
    if (checkpoint !== undefined && (policy === undefined || isEnough(checkpoint, policy))) return checkpoint;
  }
  return undefined;
}

/** False when too few cosigned. @throws LedgerError LEDGER_NOTE_MALFORMED | LEDGER_COSIGNATURE_INVALID */
function isEnough(checkpoint: string, policy: WitnessPolicy): boolean {
  try {
    verifyCosignatures(checkpoint, policy);
    return true;
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'LEDGER_WITNESSES_MISSING') return false;
    throw error;
  }
}

/**
 * Adds verified cosignatures to the kept checkpoint of its size, durably. Of each witness the first one stays: asking
 * again shall not make the evidence younger. The lock of the ledger must be held.
 * @param options.checkpoint verified checkpoint of this ledger
 * @throws LedgerError LEDGER_CORRUPT when another tree is kept for this size | LEDGER_NOTE_MALFORMED above 100 signatures
 */
export function keepCosignatures(
  options: Place & {
    readonly size: number;
    readonly checkpoint: string;
    readonly signatures: readonly NoteSignature[];
  },
): void {
  const { storage, folder, size, checkpoint, signatures } = options;
  const note = parseNote(utf8(checkpoint));
  const kept = findCosigned(options, size);
  const before = kept === undefined ? note : parseNote(utf8(kept));
  if (before.text !== note.text) throw new LedgerError('LEDGER_CORRUPT', { fields: { cosignedSize: size } });
  const bytes = utf8(encodeNote(mergeSignatures(before, signatures)));
  parseNote(bytes);
  const place = `${folder}/${COSIGNED_FOLDER}`;
  if (!storage.exists(place)) storage.makeFolder(place, 0o700);
  storage.syncFolder(folder);
  replaceFile({ storage, path: `${place}/${size}`, bytes, isNameDurable: true });
}

function mergeSignatures({ text, signatures }: Note, added: readonly NoteSignature[]): Note {
  const merged = [...signatures];
  for (const signature of added) {
    const isKnown = merged.some(({ name, keyId }) => name === signature.name && keyId === signature.keyId);
    if (!isKnown) merged.push(signature);
  }
  return { text, signatures: merged };
}
