/** Arithmetic of tiles: which file holds which hashes of a tree of a given size (C2SP tlog-tiles). */

/** Hashes of a full tile, entries of a full bundle. */
export const TILE_WIDTH = 256;
/** Tree levels that one tile spans: 2^8 = 256. */
export const TILE_HEIGHT = 8;
export const HASH_BYTES = 32;

/** A level of hash tiles (0 = over leaf hashes), or the entries themselves. */
export type TileLevel = number | 'entries';

/** One file: `width` of 256 is the full tile. */
export interface TileRef {
  readonly level: TileLevel;
  readonly index: number;
  readonly width: number;
}

/** Path below the ledger folder, such as `tile/0/x001/x234/067` or `tile/entries/000.p/17`. */
export function toTilePath(tile: TileRef): string {
  const full = `tile/${tile.level}/${toIndexPath(tile.index)}`;
  return tile.width === TILE_WIDTH ? full : `${full}.p/${tile.width}`;
}

/** `x001/x234/067` for 1234067: three digits a part, every part but the last begins with x. */
export function toIndexPath(index: number): string {
  const parts = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    parts.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  return parts.join('/');
}

/** Hashes that level `level` has in a tree of `size` leaves: floor(size / 256^level). */
export function toLevelCount(size: number, level: TileLevel): number {
  return level === 'entries' ? size : Math.floor(size / TILE_WIDTH ** level);
}

/** Width of tile `index` of a level in a tree of `size` leaves, 0 when the tile does not exist. */
export function toTileWidth(size: number, level: TileLevel, index: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, toLevelCount(size, level) - index * TILE_WIDTH));
}

/** The hash-tile levels that a tree of `size` leaves has: 0, 1, … */
export function toTileLevels(size: number): number[] {
  const levels: number[] = [];
  for (let level = 0; toLevelCount(size, level) > 0; level += 1) levels.push(level);
  return levels;
}
