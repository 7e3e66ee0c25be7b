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
  const { origin, size, root } = parseCheckpointText(verifyNote(utf8(checkpoint), key));
  if (origin !== key.name) {
    throw new LedgerError('LEDGER_CHECKPOINT_MALFORMED', { fields: { expectedOrigin: key.name } });
  }
  return { size, root };
}

/**
 * Reads the text of a note as that of a checkpoint; whose it is, and whether it is signed, is not judged.
 * @throws LedgerError LEDGER_CHECKPOINT_MALFORMED
 */
export function parseCheckpointText(text: string): TreeHead & { readonly origin: string } {
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.split('\n');
  const size = Number(sizeText);
  const root = findBase64Bytes(rootText);
  const isSize = /^(0|[1-9][0-9]{0,15})$/.test(sizeText) && Number.isSafeInteger(size);
  // Extension lines are legal but must not be empty; the last part is what follows the final newline.
  const isWell = origin !== '' && isSize && extensions.pop() === '' && !extensions.includes('');
  if (!isWell || root?.length !== 32) throw new LedgerError('LEDGER_CHECKPOINT_MALFORMED');
  return { origin, size, root };
}
