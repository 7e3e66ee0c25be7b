/** Opening for writing: makes a new ledger or recovers an old one to its last signed head (docs/spec/ledger.md §8). */
import { isEqualConstantTime, utf8 } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { toRootAt } from '../core/merkle.ts';
import type { Storage } from '../source/ports.ts';
import { signCheckpoint, type TreeHead, verifyCheckpoint } from './checkpoint.ts';
import { discardUnsignedTail } from './discard.ts';
import { findFile, replaceFile, toParent } from './durable-files.ts';
import { CHECKPOINT_FILE, KEY_FILE, STATE_FILE, TILE_FOLDER } from './layout.ts';
import { encodeVerifierKey, isSameKey } from './note-key.ts';
import type { NoteSigner } from './ports.ts';
import { readKey } from './reader.ts';
import { createSignedState, findSignedState, SignedStateFile } from './signed-state.ts';
import { loadTail, type Tail } from './tail.ts';
import { TileReader } from './tile-reader.ts';

/** Everything that a writer starts from. */
export interface RecoveredLedger {
  readonly head: TreeHead;
  readonly checkpoint: string;
  readonly state: SignedStateFile;
  readonly tail: Tail;
}

interface Place {
  readonly storage: Storage;
  readonly folder: string;
  readonly signer: NoteSigner;
}

/**
 * Brings the folder to its last signed head: discards the files of an unfinished batch, and publishes the checkpoint
 * of a batch that was cut off between storing and publishing. The lock must be held.
 * @throws LedgerError LEDGER_WRONG_KEY | LEDGER_CORRUPT | LEDGER_FORKED
 */
export function recoverLedger(place: Place): RecoveredLedger {
  const { storage, folder, signer } = place;
  const path = `${folder}/${STATE_FILE}`;
  if (!storage.exists(path)) initialise(place);
  if (!isSameKey(readKey(storage, folder), signer)) {
    throw new LedgerError('LEDGER_WRONG_KEY', { fields: { found: readKey(storage, folder).name, given: signer.name } });
  }
  const stored = findSignedState(storage, path, signer);
  if (stored === undefined) throw new Error('internal error: the state of the ledger vanished under the lock');
  // The names of `key` and `signed` may still be only in memory if their writer was killed.
  storage.syncFolder(folder);
  const tail = loadTail({ storage, folder, head: stored });
  const published = findPublished(place, stored);
  discardUnsignedTail({ storage, folder, size: stored.size });
  const state = new SignedStateFile({ storage, path, signer, counter: stored.counter });
  if (published !== undefined) return { head: stored, checkpoint: published, state, tail };
  // The writer may have been killed between writing the head and syncing it: it is stored anew before it is signed.
  state.write(stored);
  return { head: stored, checkpoint: publish(place, stored), state, tail };
}

/** Signs a stored head and puts the checkpoint in its place. */
export function publish(place: Place, head: TreeHead): string {
  const checkpoint = signCheckpoint(head, place.signer);
  const path = `${place.folder}/${CHECKPOINT_FILE}`;
  // The stored head brings the checkpoint back if this name is lost, so the folder needs no sync of its own.
  replaceFile({ storage: place.storage, path, bytes: utf8(checkpoint), isNameDurable: false });
  return checkpoint;
}

function initialise({ storage, folder, signer }: Place): void {
  const isUsed = storage.exists(`${folder}/${CHECKPOINT_FILE}`) || storage.exists(`${folder}/${TILE_FOLDER}`);
  // A ledger without its signed head could be made to sign a second history.
  if (isUsed) throw new LedgerError('LEDGER_FORKED', { fields: { missing: STATE_FILE } });
  // Before the first head is stored: a folder that vanished later would take the signed history with it.
  storage.syncFolder(toParent(folder));
  const path = `${folder}/${KEY_FILE}`;
  // The name of a key that a killed process left may still be only in memory: it must outlive the stored head.
  if (storage.exists(path)) storage.syncFolder(folder);
  else replaceFile({ storage, path, bytes: utf8(`${encodeVerifierKey(signer)}\n`), isNameDurable: true });
  createSignedState({ storage, path: `${folder}/${STATE_FILE}`, signer });
}

/** The checkpoint in the folder when it is the one of `stored`; undefined when it is older or cannot be read. */
function findPublished({ storage, folder, signer }: Place, stored: TreeHead): string | undefined {
  const bytes = findFile(storage, `${folder}/${CHECKPOINT_FILE}`);
  if (bytes === undefined) return undefined;
  const text = Buffer.from(bytes).toString('utf8');
  const head = findHead(text, signer);
  if (head === undefined) return undefined;
  const isPast = head.size <= stored.size;
  const tiles = new TileReader({ storage, folder, size: stored.size });
  if (!isPast || !isEqualConstantTime(toRootAt(head.size, tiles.node), head.root)) {
    throw new LedgerError('LEDGER_FORKED', { fields: { publishedSize: head.size, storedSize: stored.size } });
  }
  return head.size === stored.size ? text : undefined;
}

function findHead(text: string, signer: NoteSigner): TreeHead | undefined {
  try {
    return verifyCheckpoint(text, signer);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}
