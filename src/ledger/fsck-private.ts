/** fsck of disclosures: each must open a commitment of its entry. That one is missing is no finding. */
import { LedgerError } from '../core/errors.ts';
import type { Storage } from '../source/ports.ts';
import { parseDisclosures, verifyDisclosure } from './commitment.ts';
import { decodeEntry, type Entry } from './entry.ts';
import type { FsckFinding } from './fsck-finding.ts';
import { toPrivateFolder } from './layout.ts';
import { TILE_WIDTH } from './tile-path.ts';
import { TileReader } from './tile-reader.ts';

/** Checks the private folder of a ledger of `size` entries. */
export function findDisclosureFindings(place: {
  readonly storage: Storage;
  readonly folder: string;
  readonly size: number;
}): FsckFinding[] {
  const { storage, folder, size } = place;
  const tiles = new TileReader(place);
  const findings: FsckFinding[] = [];
  for (let bundle = 0; bundle * TILE_WIDTH < size; bundle += 1) {
    const path = toPrivateFolder(bundle * TILE_WIDTH);
    const names = storage.list(`${folder}/${path}`);
    const entries = names.length === 0 ? [] : readEntries(tiles, bundle);
    for (const name of names) {
      const bytes = storage.read(`${folder}/${path}/${name}`);
      const fault = findFault(bytes, { name, first: bundle * TILE_WIDTH, entries });
      if (fault !== undefined) findings.push({ code: 'disclosure-differs', tile: `${path}/${name}`, ...fault });
    }
  }
  return findings;
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
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}
