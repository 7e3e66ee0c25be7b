/** Names of the files in a ledger folder (docs/spec/ledger.md §6). */
import { TILE_WIDTH, toIndexPath } from './tile-path.ts';

/** Verifier key text and a newline. */
export const KEY_FILE = 'key';
/** The newest published checkpoint. */
export const CHECKPOINT_FILE = 'checkpoint';
/** The last head that may be signed. */
export const STATE_FILE = 'signed';
/** Refusals whose minute is not over. */
export const REFUSALS_FILE = 'refusals.json';
/** Checkpoints that witnesses cosigned, by size. */
export const COSIGNED_FOLDER = 'cosigned';
export const TILE_FOLDER = 'tile';
/** Disclosures of committed fields; never published. */
export const PRIVATE_FOLDER = 'private';
export const LOCK_FOLDER = 'lock';

/** Folder with the disclosures of the entries of one bundle. */
export function toPrivateFolder(index: number): string {
  return `${PRIVATE_FOLDER}/${toIndexPath(Math.floor(index / TILE_WIDTH))}`;
}
