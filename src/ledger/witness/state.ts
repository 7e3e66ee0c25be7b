/** The newest checkpoint that a witness cosigned of a log, on disk before the cosignature leaves. */
import { utf8 } from '../../core/bytes.ts';
import { LedgerError } from '../../core/errors.ts';
import { parseCheckpointText, type TreeHead } from '../checkpoint.ts';
import { type Cosignature, findCosignature } from '../cosignature.ts';
import type { CosignerKey } from '../cosigner-key.ts';
import { findFile, replaceFile } from '../durable-files.ts';
import { encodeNote, type Note, parseNote, verifyNoteBy } from '../note.ts';
import { corrupt, toLogFolder, type WitnessedLog, type WitnessPlace } from './folder.ts';

const STATE_FILE = 'checkpoint';
const FORK_FILE = 'fork';

/** A checkpoint that this witness cosigned. */
export interface WitnessState {
  /** With the signature of the log and the cosignature. */
  readonly note: Note;
  readonly head: TreeHead;
  readonly cosignature: Cosignature;
}

/**
 * What was stored last; undefined before the first. The file bears both signatures, so nobody else can have written it;
 * that it is the newest nobody can tell from it.
 * @throws LedgerError WITNESS_STATE_CORRUPT
 */
export function findState(place: WitnessPlace, log: WitnessedLog, key: CosignerKey): WitnessState | undefined {
  const bytes = findFile(place.storage, toStatePath(place, log.origin));
  if (bytes === undefined) return undefined;
  try {
    const note = parseNote(bytes);
    verifyNoteBy(note, log.keys);
    const { origin, size, root } = parseCheckpointText(note.text);
    const cosignature = findCosignature(note, key);
    if (origin !== log.origin || cosignature === undefined) throw corrupt(STATE_FILE);
    return { note, head: { size, root }, cosignature };
  } catch (error) {
    if (error instanceof LedgerError) throw corrupt(STATE_FILE);
    throw error;
  }
}

/** Replaces the state whole; durable when this returns. @param note with both signatures */
export function storeState(place: WitnessPlace, origin: string, note: Note): void {
  const bytes = utf8(encodeNote(note));
  replaceFile({ storage: place.storage, path: toStatePath(place, origin), bytes, isNameDurable: true });
}

/** Makes the name of a state that another process stored durable. */
export function syncState({ storage, folder }: WitnessPlace, origin: string): void {
  storage.syncFolder(`${folder}/${toLogFolder(origin)}`);
}

/**
 * Keeps the first proof that a log signed two trees of one size: two notes, one after the other.
 * @returns false when there is one already
 */
export function keepFork(place: WitnessPlace, origin: string, notes: readonly [Note, Note]): boolean {
  const path = toForkPath(place, origin);
  if (place.storage.exists(path)) return false;
  const bytes = utf8(notes.map(encodeNote).join('\n'));
  replaceFile({ storage: place.storage, path, bytes, isNameDurable: true });
  return true;
}

export function hasFork(place: WitnessPlace, origin: string): boolean {
  return place.storage.exists(toForkPath(place, origin));
}

function toStatePath({ folder }: WitnessPlace, origin: string): string {
  return `${folder}/${toLogFolder(origin)}/${STATE_FILE}`;
}

function toForkPath({ folder }: WitnessPlace, origin: string): string {
  return `${folder}/${toLogFolder(origin)}/${FORK_FILE}`;
}
