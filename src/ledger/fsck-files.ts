/** fsck of names: older partial tiles must be beginnings of the newer ones, and nothing else may lie in the folder. */
import { isEqualConstantTime } from '../core/bytes.ts';
import { findFile } from './durable-files.ts';
import { decodeBundle } from './entry-bundle.ts';
import { type FsckFinding, toStray } from './fsck-finding.ts';
import { listFolder, type Place } from './fsck-place.ts';
import {
  CHECKPOINT_FILE,
  COSIGNED_FOLDER,
  KEY_FILE,
  LOCK_FOLDER,
  PRIVATE_FOLDER,
  REFUSALS_FILE,
  STATE_FILE,
  TILE_FOLDER,
} from './layout.ts';
import { HASH_BYTES, TILE_WIDTH, type TileLevel, toIndexPath, toTilePath, toTileWidth } from './tile-path.ts';

interface StoredTile {
  readonly level: TileLevel;
  readonly index: number;
  readonly width: number;
  readonly path: string;
}

/** Files that replaceFile stages; a crash may leave one, and the next writing removes it. */
const STAGED = [KEY_FILE, CHECKPOINT_FILE, STATE_FILE, REFUSALS_FILE].map((name) => `${name}.tmp`);
const KNOWN = new Set([
  KEY_FILE,
  CHECKPOINT_FILE,
  STATE_FILE,
  REFUSALS_FILE,
  TILE_FOLDER,
  PRIVATE_FOLDER,
  LOCK_FOLDER,
  COSIGNED_FOLDER,
]);

/** Findings about names and about tiles that no longer belong to the newest tree. */
export function findFileFindings(place: Place): FsckFinding[] {
  const { storage, folder } = place;
  const names = storage.list(`${folder}/${TILE_FOLDER}`);
  // A level may have a folder before it has a tile: a batch that was discarded leaves empty folders.
  const levels = names.flatMap((name): TileLevel[] =>
    name === 'entries' ? [name] : /^(0|[1-9]\d?)$/.test(name) ? [Number(name)] : [],
  );
  const strays = [
    ...storage.list(folder).filter((name) => !KNOWN.has(name) && !STAGED.includes(name)),
    ...names.filter((name) => !levels.map(String).includes(name)).map((name) => `${TILE_FOLDER}/${name}`),
  ].map(toStray);
  const tiles = levels.flatMap((level) => listTiles(place, level, '', 0));
  return [...strays, ...tiles.flatMap((tile) => ('code' in tile ? [tile] : findTileFindings(place, tile)))];
}

/** Tiles of a level by their names, and findings for what is none. */
function listTiles(place: Place, level: TileLevel, below: string, high: number): (StoredTile | FsckFinding)[] {
  const base = `${TILE_FOLDER}/${level}${below}`;
  return listFolder(place, base).flatMap((name) => {
    const path = `${base}/${name}`;
    const [, mark = '', digits = '', partial = ''] = /^(x?)(\d{3})(\.p)?$/.exec(name) ?? [];
    const index = high * 1000 + Number(digits);
    if (digits === '' || (mark === 'x' && partial !== '')) return [toStray(path)];
    if (mark === 'x') return listTiles(place, level, `${below}/${name}`, index);
    if (`${below}/${digits}` !== `/${toIndexPath(index)}`) return [toStray(path)];
    if (partial === '') return [{ level, index, width: TILE_WIDTH, path }];
    return listFolder(place, path).map((width) =>
      /^[1-9]\d{0,2}$/.test(width) && Number(width) < TILE_WIDTH
        ? { level, index, width: Number(width), path: `${path}/${width}` }
        : toStray(`${path}/${width}`),
    );
  });
}

function findTileFindings({ storage, folder, size }: Place, tile: StoredTile): FsckFinding[] {
  const { level, index, width, path } = tile;
  const newest = toTileWidth(size, level, index);
  if (width > newest) return [toStray(path)];
  if (width === newest) return [];
  const whole = findFile(storage, `${folder}/${toTilePath({ level, index, width: newest })}`) ?? new Uint8Array();
  const old = findFile(storage, `${folder}/${path}`) ?? new Uint8Array();
  const isWidth = level === 'entries' ? countEntries(old) === width : old.length === width * HASH_BYTES;
  if (isWidth && isEqualConstantTime(old, whole.subarray(0, old.length))) return [];
  const code = level === 'entries' ? 'bundle-differs' : 'tile-differs';
  return [{ code, tile: path, expected: `the beginning of the tile of width ${newest}`, actual: 'other bytes' }];
}

function countEntries(bundle: Uint8Array): number {
  try {
    return decodeBundle(bundle, 0).length;
  } catch {
    return -1;
  }
}
