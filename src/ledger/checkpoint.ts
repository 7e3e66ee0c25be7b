/** Checkpoints: origin, size and root of the tree as the text of a signed note (C2SP tlog-checkpoint). */
import { findBase64Bytes, toBase64, utf8 } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { signNote, verifyNote } from './note.ts';
import type { VerifierKey } from './note-key.ts';
import type { NoteSigner } from './ports.ts';

/** The head of a tree: number of leaves and 32-byte root. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** The signed checkpoint over `head`; the origin is the signer's name. */
export function signCheckpoint(head: TreeHead, signer: NoteSigner): string {
  return signNote(`${signer.name}\n${head.size}\n${toBase64(head.root)}\n`, signer);
}

/**
 * Verifies the signature of `key` and that the checkpoint is of the ledger of that name.
 * @throws LedgerError LEDGER_NOTE_MALFORMED | LEDGER_NOTE_UNTRUSTED | LEDGER_CHECKPOINT_MALFORMED
 * @see https://c2sp.org/tlog-checkpoint
 */
export function verifyCheckpoint(checkpoint: string, key: VerifierKey): TreeHead {
  const [origin, sizeText = '', rootText = '', ...extensions] = verifyNote(utf8(checkpoint), key).split('\n');
  const size = Number(sizeText);
  const root = findBase64Bytes(rootText);
  const isWell = /^(0|[1-9][0-9]{0,15})$/.test(sizeText) && Number.isSafeInteger(size) && root?.length === 32;
  // Extension lines are legal but must not be empty; the last part is what follows the final newline.
  if (!isWell || origin !== key.name || extensions.pop() !== '' || extensions.includes('')) {
    throw new LedgerError('LEDGER_CHECKPOINT_MALFORMED', { fields: { expectedOrigin: key.name } });
  }
  return { size, root };
}
