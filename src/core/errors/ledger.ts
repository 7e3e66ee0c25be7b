/** Error codes of the ledger area. */
import { defineErrors, EXIT } from './table.ts';

export const ledgerErrors = defineErrors({
  LEDGER_NOT_FOUND: {
    message: 'There is no ledger in this folder.',
    exit: EXIT.environment,
    http: 404,
    fix: 'Point to the folder of the ledger; it holds a file named "key" and a folder named "tile".',
  },
  LEDGER_KEY_MALFORMED: {
    message: 'The verifier key is not a signed-note key.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Pass the key as its owner publishes it, in quotes.',
  },
  LEDGER_WRONG_KEY: {
    message: 'The ledger belongs to another key than the one given.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Use the owner identity that the ledger was made with, or a new ledger folder.',
  },
  LEDGER_NOTE_MALFORMED: {
    message: 'The text is not a signed note.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Pass the text whole, with its empty line and its signature lines.',
  },
  LEDGER_NOTE_UNTRUSTED: {
    message: 'The note bears no valid signature by the expected key.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Check that the key belongs to this ledger; if it does, believe nothing of the note.',
  },
  LEDGER_CHECKPOINT_MALFORMED: {
    message: 'The note is not a ledger checkpoint.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Pass a checkpoint as "modelward ledger checkpoint" prints it.',
  },
  LEDGER_PROOF_MALFORMED: {
    message: 'The text is not a ledger proof.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Pass the file as "modelward ledger prove" printed it.',
  },
  LEDGER_PROOF_INVALID: {
    message: 'The proof does not show that the entry is in the ledger.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Ask the owner for the proof again; if it fails again, believe nothing of the entry.',
  },
  LEDGER_ENTRY_REFUSED: {
    message: 'The entry does not have the form of its type.',
    exit: EXIT.usage,
    http: 400,
    fix: 'See docs/spec/ledger.md for what an entry of this type holds.',
  },
  LEDGER_ENTRY_TOO_LARGE: {
    message: 'The entry is larger than a ledger entry may be.',
    exit: EXIT.usage,
    http: 413,
    fix: 'Record large evidence by its digest.',
  },
  LEDGER_BATCH_TOO_LARGE: {
    message: 'Too many entries for one batch.',
    exit: EXIT.usage,
    http: 413,
    fix: 'Record them in several batches.',
  },
  LEDGER_ENTRY_MALFORMED: {
    message: 'A stored entry cannot be read.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Run "modelward ledger fsck", and restore the ledger from a backup.',
  },
  LEDGER_INDEX_OUT_OF_RANGE: {
    message: 'The ledger has no entry with this index.',
    exit: EXIT.usage,
    http: 404,
    fix: 'List entries with "modelward ledger show".',
  },
  LEDGER_DISCLOSURE_MISMATCH: {
    message: 'The disclosed value is not the one that the entry commits to.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Ask for the value and the salt that belong to this entry.',
  },
  LEDGER_CORRUPT: {
    message: 'The stored tree does not match the last signed one.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Run the fsck of the ledger to see where, and restore the folder from a backup that is not older.',
  },
  LEDGER_FORKED: {
    message: 'Signing now would make a second history; the ledger was rolled back or replaced.',
    exit: EXIT.malformed,
    http: 409,
    fix: 'Restore the newest copy of the ledger folder; an older one must not be written to.',
  },
  LEDGER_FULL: {
    message: 'The ledger has no room for this kind of entry.',
    exit: EXIT.environment,
    http: 507,
    fix: 'Start a new ledger folder; the rest of the room is kept for key use.',
  },
  LEDGER_WRITE_FAILED: {
    message: 'The ledger could not be written; the entries are not recorded.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Check free space, and that this user may write to the ledger; then run the command again.',
  },
  LEDGER_LOCKED: {
    message: 'Another process is writing to the ledger.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Wait for it to end, then run the command again.',
  },
  LEDGER_LOCK_LOST: {
    message: 'Another process took the ledger over while this one stood still.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Run the command again: what was unfinished is completed first.',
  },
  LEDGER_LOCK_FAILED: {
    message: 'The lock of the ledger cannot be made here.',
    exit: EXIT.environment,
    http: 500,
    fix: 'The folder must be writable, on a file system with hard links.',
  },
});
