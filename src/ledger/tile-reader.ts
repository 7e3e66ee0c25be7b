/** Reads hashes and entries of a tree of a given size out of its tiles (C2SP tlog-tiles). */
import { LedgerError } from '../core/errors.ts';
import { hashNode, type NodeReader } from '../core/merkle.ts';
import type { Storage } from '../source/ports.ts';
import { findFile } from './durable-files.ts';
import { decodeBundle } from './entry-bundle.ts';
import { HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, type TileLevel, toTilePath, toTileWidth } from './tile-path.ts';

const CACHED_TILES_MAX = 64;

/** Tiles of the tree of `size` leaves in `folder`. Nothing read here is trusted before it met a signed root. */
export class TileReader {
  readonly #storage: Storage;
  readonly #folder: string;
  readonly #size: number;
  readonly #tiles = new Map<string, Uint8Array>();

  constructor(options: { readonly storage: Storage; readonly folder: string; readonly size: number }) {
    this.#storage = options.storage;
    this.#folder = options.folder;
    this.#size = options.size;
  }

  /** Hash of a perfect subtree. @throws LedgerError LEDGER_CORRUPT */
  readonly node: NodeReader = (level, index) => {
    const tileLevel = Math.floor(level / TILE_HEIGHT);
    const leaves = 2 ** (level % TILE_HEIGHT);
    const first = index * leaves;
    const tile = this.readTile(tileLevel, Math.floor(first / TILE_WIDTH));
    return foldTile(tile, first % TILE_WIDTH, leaves);
  };

  /** The hashes of a tile, 32 bytes each. @throws LedgerError LEDGER_CORRUPT */
  readTile(level: number, index: number): Uint8Array {
    const key = `${level}/${index}`;
    const cached = this.#tiles.get(key);
    if (cached !== undefined) return cached;
    const width = toTileWidth(this.#size, level, index);
    const bytes = this.#readFile(level, index);
    if (bytes.length < width * HASH_BYTES) throw corrupt(level, index);
    const tile = bytes.subarray(0, width * HASH_BYTES);
    if (this.#tiles.size >= CACHED_TILES_MAX) this.#tiles.clear();
    this.#tiles.set(key, tile);
    return tile;
  }

  /** The entries of a bundle. @throws LedgerError LEDGER_CORRUPT | LEDGER_ENTRY_MALFORMED */
  readBundle(index: number): Uint8Array[] {
    const width = toTileWidth(this.#size, 'entries', index);
    const entries = decodeBundle(this.#readFile('entries', index), index * TILE_WIDTH);
    if (entries.length < width) throw corrupt('entries', index);
    return entries.slice(0, width);
  }

  #readFile(level: TileLevel, index: number): Uint8Array {
    const width = toTileWidth(this.#size, level, index);
    const refs = width === TILE_WIDTH ? [TILE_WIDTH] : [width, TILE_WIDTH];
    for (const ref of width === 0 ? [] : refs) {
      // A partial tile may be gone once its full tile is there; that one begins with the same hashes.
      const bytes = findFile(this.#storage, `${this.#folder}/${toTilePath({ level, index, width: ref })}`);
      if (bytes !== undefined) return bytes;
    }
    throw corrupt(level, index);
  }
}

/** Root of the perfect subtree over `leaves` (a power of two) hashes of a tile, from hash `first`. */
export function foldTile(tile: Uint8Array, first: number, leaves: number): Uint8Array {
  if (leaves === 1) return tile.slice(first * HASH_BYTES, (first + 1) * HASH_BYTES);
  const half = leaves / 2;
  return hashNode(foldTile(tile, first, half), foldTile(tile, first + half, half));
}

function corrupt(level: TileLevel, index: number): LedgerError {
  return new LedgerError('LEDGER_CORRUPT', { fields: { tile: toTilePath({ level, index, width: TILE_WIDTH }) } });
}
