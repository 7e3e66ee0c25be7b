/** The growing right edge: the open tile of every level and the open bundle, and the files that a batch adds. */
import { concatBytes, isEqualConstantTime } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { hashLeaf, toRootAt } from '../core/merkle.ts';
import type { Storage } from '../source/ports.ts';
import type { TreeHead } from './checkpoint.ts';
import type { DurableFiles } from './durable-files.ts';
import { encodeBundle } from './entry-bundle.ts';
import { HASH_BYTES, TILE_WIDTH, toLevelCount, toTileLevels, toTilePath, toTileWidth } from './tile-path.ts';
import { foldTile, TileReader } from './tile-reader.ts';

/** Entries and hashes that are not in a full tile yet. */
export interface Tail {
  size: number;
  /** Entries of the open bundle, fewer than 256. */
  readonly entries: Uint8Array[];
  /** By level: hashes of the open tile, fewer than 256. */
  readonly levels: Uint8Array[][];
}

/**
 * Reads the tail of a stored tree and checks it against the head that was signed.
 * @throws LedgerError LEDGER_CORRUPT | LEDGER_ENTRY_MALFORMED
 */
export function loadTail(options: {
  readonly storage: Storage;
  readonly folder: string;
  readonly head: TreeHead;
}): Tail {
  const { head } = options;
  const reader = new TileReader({ ...options, size: head.size });
  const levels = toTileLevels(head.size).map((level) => {
    const index = Math.floor(toLevelCount(head.size, level) / TILE_WIDTH);
    return toTileWidth(head.size, level, index) === 0 ? [] : splitHashes(reader.readTile(level, index));
  });
  const bundle = Math.floor(head.size / TILE_WIDTH);
  const entries = head.size % TILE_WIDTH === 0 ? [] : reader.readBundle(bundle).map((entry) => entry.slice());
  const isRoot = isEqualConstantTime(toRootAt(head.size, reader.node), head.root);
  const isTail = entries.every((entry, i) => isEqualConstantTime(hashLeaf(entry), levels[0][i]));
  if (!isRoot || !isTail) throw new LedgerError('LEDGER_CORRUPT', { fields: { size: head.size } });
  return { size: head.size, entries, levels };
}

/** Folders of partial tiles that are not needed once the batch is signed. */
export type OutdatedFolders = readonly string[];

/**
 * Adds leaves to the tail and creates the tiles and bundles of the larger tree; nothing is synced here.
 * @param leaves encoded entries
 */
export function extendTail(options: {
  readonly tail: Tail;
  readonly leaves: readonly Uint8Array[];
  readonly files: DurableFiles;
  readonly folder: string;
}): OutdatedFolders {
  const { tail, leaves, files, folder } = options;
  const before = tail.size;
  const outdated: string[] = [];
  const put = (level: number | 'entries', index: number, width: number, bytes: Uint8Array): void => {
    files.create(`${folder}/${toTilePath({ level, index, width })}`, bytes);
    const isGrown = toTileWidth(before, level, index) > 0;
    if (width === TILE_WIDTH && isGrown) outdated.push(`${folder}/${toTilePath({ level, index, width })}.p`);
  };
  for (const leaf of leaves) {
    tail.entries.push(leaf);
    tail.size += 1;
    if (tail.entries.length === TILE_WIDTH) {
      put('entries', tail.size / TILE_WIDTH - 1, TILE_WIDTH, encodeBundle(tail.entries.splice(0)));
    }
    pushHash(tail, 0, hashLeaf(leaf), put);
  }
  if (tail.entries.length > 0) {
    put('entries', Math.floor(tail.size / TILE_WIDTH), tail.entries.length, encodeBundle(tail.entries));
  }
  for (const [level, hashes] of tail.levels.entries()) {
    const index = Math.floor(toLevelCount(tail.size, level) / TILE_WIDTH);
    const isChanged = toLevelCount(before, level) !== toLevelCount(tail.size, level);
    if (isChanged && hashes.length > 0) put(level, index, hashes.length, concatBytes(...hashes));
  }
  return outdated;
}

type Put = (level: number, index: number, width: number, bytes: Uint8Array) => void;

function pushHash(tail: Tail, level: number, hash: Uint8Array, put: Put): void {
  tail.levels[level] ??= [];
  const hashes = tail.levels[level];
  hashes.push(hash);
  if (hashes.length < TILE_WIDTH) return;
  const tile = concatBytes(...hashes.splice(0));
  put(level, toLevelCount(tail.size, level) / TILE_WIDTH - 1, TILE_WIDTH, tile);
  pushHash(tail, level + 1, foldTile(tile, 0, TILE_WIDTH), put);
}

function splitHashes(tile: Uint8Array): Uint8Array[] {
  return Array.from({ length: tile.length / HASH_BYTES }, (_, i) => tile.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}
