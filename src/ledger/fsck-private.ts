/** fsck of disclosures: each must open a commitment of its entry. That one is missing is no finding. */
import { LedgerError, SourceError } from '../core/errors.ts';
import { parseDisclosures, verifyDisclosure } from './commitment.ts';
import { decodeEntry, type Entry } from './entry.ts';
import { type FsckFinding, toStray } from './fsck-finding.ts';
import { listFolder, type Place } from './fsck-place.ts';
import { PRIVATE_FOLDER, toPrivateFolder } from './layout.ts';
import { TILE_WIDTH } from './tile-path.ts';
import { TileReader } from './tile-reader.ts';

/** Disclosures of one bundle: the folder that they lie in, below the ledger folder. */
interface BundleFolder {
  readonly bundle: number;
  readonly path: string;
}

/** Checks the private folder of a ledger of `size` entries; work and time follow what lies there, not `size`. */
export function findDisclosureFindings(place: Place): FsckFinding[] {
  const tiles = new TileReader(place);
  return listBundles(place, PRIVATE_FOLDER, 0).flatMap((found) =>
    'code' in found ? [found] : findBundleFindings(place, tiles, found),
  );
}

/** Folders by their names, and findings for names that are none. */
function listBundles(place: Place, base: string, high: number): (BundleFolder | FsckFinding)[] {
  return listFolder(place, base).flatMap((name) => {
    const path = `${base}/${name}`;
    const [, mark = '', digits = ''] = /^(x?)(\d{3})$/.exec(name) ?? [];
    const bundle = high * 1000 + Number(digits);
    if (digits === '' || !Number.isSafeInteger(bundle)) return [toStray(path)];
    if (mark === 'x') return listBundles(place, path, bundle);
    return path === toPrivateFolder(bundle * TILE_WIDTH) ? [{ bundle, path }] : [toStray(path)];
  });
}

function findBundleFindings(place: Place, tiles: TileReader, { bundle, path }: BundleFolder): FsckFinding[] {
  const names = listFolder(place, path);
  const first = bundle * TILE_WIDTH;
  // A batch that was discarded leaves empty folders beyond the newest entry.
  if (first >= place.size) return names.map((name) => toStray(`${path}/${name}`));
  const entries = names.length === 0 ? [] : readEntries(tiles, bundle);
  return names.flatMap((name): FsckFinding[] => {
    const bytes = findCoded(() => place.storage.read(`${place.folder}/${path}/${name}`));
    const fault = findFault(bytes ?? new Uint8Array(), { name, first, entries });
    return fault === undefined ? [] : [{ code: 'disclosure-differs', tile: `${path}/${name}`, ...fault }];
  });
}

interface Expected {
  readonly name: string;
  readonly first: number;
  readonly entries: readonly (Entry | undefined)[];
}

/** The first thing wrong in one file, which is named by the first entry that it discloses. */
function findFault(
  bytes: Uint8Array,
  { name, first, entries }: Expected,
): { index?: number; expected: string; actual: string } | undefined {
  const rows = findCoded(() => parseDisclosures(bytes));
  if (rows === undefined || rows.length === 0) return { expected: 'disclosures', actual: 'malformed' };
  if (name !== `${rows[0].index}.json`) return { expected: `${rows[0].index}.json`, actual: name };
  for (const row of rows) {
    const entry = entries[row.index - first];
    const isOpened = entry !== undefined && findCoded(() => verifyDisclosure(entry, row)) !== undefined;
    if (!isOpened) return { index: row.index, expected: 'the committed value', actual: `another ${row.field}` };
  }
  return undefined;
}

function readEntries(tiles: TileReader, bundle: number): (Entry | undefined)[] {
  const leaves = findCoded(() => tiles.readBundle(bundle)) ?? [];
  return leaves.map((leaf, i) => findCoded(() => decodeEntry(leaf, bundle * TILE_WIDTH + i)));
}

function findCoded<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof LedgerError || error instanceof SourceError) return undefined;
    throw error;
  }
}
