/** fsck: recomputes everything that a ledger folder holds, and lists what does not fit (docs/spec/ledger.md §11). */
import { isEqualConstantTime, toBase64, toHex } from '../core/bytes.ts';
import { ModelwardError } from '../core/errors.ts';
import { CompactRange, hashLeaf } from '../core/merkle.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Storage } from '../source/ports.ts';
import { type TreeHead, verifyCheckpoint } from './checkpoint.ts';
import type { WitnessPolicy } from './cosignature.ts';
import { findFile } from './durable-files.ts';
import { decodeBundle } from './entry-bundle.ts';
import { decodeEntry } from './entry.ts';
import { findFileFindings } from './fsck-files.ts';
import { findOr, type FsckFinding } from './fsck-finding.ts';
import { checkCosigned, type CosignedHead, findHistoryFindings } from './fsck-history.ts';
import { findDisclosureFindings } from './fsck-private.ts';
import { CHECKPOINT_FILE, STATE_FILE } from './layout.ts';
import { isSameKey, type VerifierKey } from './note-key.ts';
import { readKey } from './reader.ts';
import { findSignedState } from './signed-state.ts';
import { HASH_BYTES, TILE_WIDTH, toLevelCount, toTileLevels, toTilePath, toTileWidth } from './tile-path.ts';
import { foldTile } from './tile-reader.ts';

export interface FsckReport {
  /** Of the checkpoint; null when it could not be read. */
  readonly size: number | null;
  readonly root: string | null;
  /** True when the caller named the key; else the folder's own key was believed. */
  readonly isKeyTrusted: boolean;
  /** The newest checkpoint that enough of the named witnesses cosigned; null when there is none, or none was named. */
  readonly cosigned: CosignedHead | null;
  readonly findings: readonly FsckFinding[];
}

type Report = (finding: FsckFinding) => void;

/**
 * Checks entries, tiles, root, signatures, stored head, disclosures and file names against each other. A ledger that
 * was rewritten whole with its own key, or replaced by an older copy of itself, passes unless `knownCheckpoints` has a
 * checkpoint that was seen before.
 * @param key the key that the ledger should have
 * @param knownCheckpoints signed checkpoints, text, that were published or kept elsewhere
 * @param witnesses whose cosignatures are verified, and how many of them one kept checkpoint must have
 * @throws LedgerError LEDGER_NOT_FOUND when there is no ledger
 */
export function fsckLedger(options: {
  readonly storage: Storage;
  readonly folder: string;
  readonly key?: VerifierKey | undefined;
  readonly knownCheckpoints?: readonly string[];
  readonly witnesses?: WitnessPolicy | undefined;
  readonly progress?: Progress;
}): FsckReport {
  const { storage, folder, progress = silentProgress } = options;
  const findings: FsckFinding[] = [];
  const report: Report = (finding) => findings.push(finding);
  const key = checkKey(options, report);
  const head = key === undefined ? undefined : checkCheckpoint(storage, folder, key, report);
  const isKeyTrusted = options.key !== undefined;
  const none = { size: null, root: null, cosigned: null };
  if (key === undefined || head === undefined) return { ...none, isKeyTrusted, findings };
  checkSignedHead({ storage, folder, key, head }, report);
  progress.step('ledger', head.size, 'items');
  checkTree({ storage, folder, head, progress }, report);
  const past = { storage, folder, key, head };
  findHistoryFindings(past, options.knownCheckpoints ?? []).forEach(report);
  const cosigned = checkCosigned(past, options.witnesses ?? { keys: [], required: 0 });
  cosigned.findings.forEach(report);
  findFileFindings({ storage, folder, size: head.size }).forEach(report);
  findDisclosureFindings({ storage, folder, size: head.size }).forEach(report);
  progress.done();
  return { size: head.size, root: toHex(head.root), isKeyTrusted, cosigned: cosigned.newest, findings };
}

function checkKey(options: Parameters<typeof fsckLedger>[0], report: Report): VerifierKey | undefined {
  const { storage, folder, key } = options;
  const found = findOr('LEDGER_KEY_MALFORMED', () => readKey(storage, folder));
  if (found !== undefined && (key === undefined || isSameKey(key, found))) return found;
  report({ code: 'key-differs', expected: key?.name ?? 'a verifier key', actual: found?.name ?? 'unreadable' });
  return key;
}

function checkCheckpoint(storage: Storage, folder: string, key: VerifierKey, report: Report): TreeHead | undefined {
  const bytes = findFile(storage, `${folder}/${CHECKPOINT_FILE}`);
  try {
    return verifyCheckpoint(Buffer.from(bytes ?? []).toString('utf8'), key);
  } catch (error) {
    const actual = bytes === undefined ? 'missing' : toCode(error);
    report({ code: 'checkpoint-unreadable', tile: CHECKPOINT_FILE, expected: `signed by ${key.name}`, actual });
    return undefined;
  }
}

interface Place {
  readonly storage: Storage;
  readonly folder: string;
  readonly head: TreeHead;
}

/** The stored head may be ahead of the checkpoint only between two steps of a writer, which its next opening ends. */
function checkSignedHead({ storage, folder, key, head }: Place & { readonly key: VerifierKey }, report: Report): void {
  const expected = `size ${head.size}, root ${toBase64(head.root)}`;
  const stored = findOr('LEDGER_CORRUPT', () => findSignedState(storage, `${folder}/${STATE_FILE}`, key));
  if (stored === undefined) {
    report({ code: 'signed-head-unreadable', tile: STATE_FILE, expected, actual: 'missing or not signed' });
  } else if (stored.size !== head.size || !isEqualConstantTime(stored.root, head.root)) {
    const actual = `size ${stored.size}, root ${toBase64(stored.root)}`;
    report({ code: 'signed-head-differs', tile: STATE_FILE, expected, actual });
  }
}

/** Entries are the truth: leaf hashes, tiles of every level and the root are recomputed from them. */
function checkTree(place: Place & { readonly progress: Progress }, report: Report): void {
  const { head, progress } = place;
  const range = new CompactRange();
  const open: Uint8Array[][] = toTileLevels(head.size).map(() => []);
  const push = (level: number, hash: Uint8Array): void => {
    const hashes = open[level];
    hashes.push(hash);
    const index = Math.floor((toLevelCount(range.size, level) - 1) / TILE_WIDTH);
    if (hashes.length < toTileWidth(head.size, level, index)) return;
    const tile = checkTile(place, { level, index, hashes: hashes.splice(0) }, report);
    if (tile.length === TILE_WIDTH * HASH_BYTES) push(level + 1, foldTile(tile, 0, TILE_WIDTH));
  };
  for (let bundle = 0; bundle * TILE_WIDTH < head.size; bundle += 1) {
    const leaves = checkBundle(place, bundle, report);
    for (const leaf of leaves) {
      const hash = hashLeaf(leaf);
      range.append(hash);
      push(0, hash);
    }
    progress.advance(leaves.length);
    // With entries missing, all that follows would be counted at wrong places.
    if (leaves.length < toTileWidth(head.size, 'entries', bundle)) return;
  }
  const root = range.toRoot();
  if (isEqualConstantTime(root, head.root)) return;
  report({ code: 'root-differs', expected: toHex(head.root), actual: toHex(root) });
}

/** Compares a stored tile with the hashes that it should hold, which are returned joined. */
function checkTile(
  { storage, folder, head }: Place,
  { level, index, hashes }: { level: number; index: number; hashes: readonly Uint8Array[] },
  report: Report,
): Uint8Array {
  const width = hashes.length;
  const expected = Buffer.concat(hashes);
  const path = toTilePath({ level, index, width });
  const actual = findFile(storage, `${folder}/${path}`);
  if (actual === undefined) {
    report({ code: 'tile-missing', tile: path, expected: `${width} hashes`, actual: 'missing' });
  } else if (actual.length !== expected.length) {
    const lengths = { expected: `${expected.length} bytes`, actual: `${actual.length} bytes` };
    report({ code: 'tile-differs', tile: path, ...lengths });
  } else if (!isEqualConstantTime(actual, expected)) {
    reportHashes({ path, level, index, expected, actual, size: head.size }, report);
  }
  return expected;
}

function reportHashes(
  tile: { path: string; level: number; index: number; expected: Uint8Array; actual: Uint8Array; size: number },
  report: Report,
): void {
  for (let at = 0; at < tile.expected.length; at += HASH_BYTES) {
    const expected = tile.expected.subarray(at, at + HASH_BYTES);
    const actual = tile.actual.subarray(at, at + HASH_BYTES);
    if (isEqualConstantTime(expected, actual)) continue;
    const index = tile.index * TILE_WIDTH + at / HASH_BYTES;
    // At level 0 the stored hash is what the entry should hash to; above, the tile is what differs.
    report(
      tile.level === 0
        ? { code: 'entry-hash-differs', index, tile: tile.path, expected: toHex(actual), actual: toHex(expected) }
        : { code: 'tile-differs', tile: tile.path, expected: toHex(expected), actual: toHex(actual) },
    );
  }
}

/** The entries of a bundle, each checked for itself; fewer than it should have when it cannot be split. */
function checkBundle({ storage, folder, head }: Place, bundle: number, report: Report): readonly Uint8Array[] {
  const width = toTileWidth(head.size, 'entries', bundle);
  const path = toTilePath({ level: 'entries', index: bundle, width });
  const first = bundle * TILE_WIDTH;
  const bytes = findFile(storage, `${folder}/${path}`);
  const leaves = bytes === undefined ? undefined : findOr('LEDGER_ENTRY_MALFORMED', () => decodeBundle(bytes, first));
  if (leaves?.length !== width) {
    const actual = leaves === undefined ? (bytes === undefined ? 'missing' : 'malformed') : `${leaves.length} entries`;
    const code = bytes === undefined ? 'entry-missing' : 'bundle-differs';
    report({ code, index: first, tile: path, expected: `${width} entries`, actual });
  }
  const held = (leaves ?? []).slice(0, width);
  for (const [i, leaf] of held.entries()) checkEntry(leaf, first + i, report);
  return held;
}

function checkEntry(leaf: Uint8Array, index: number, report: Report): void {
  if (findOr('LEDGER_ENTRY_MALFORMED', () => decodeEntry(leaf, index)) !== undefined) return;
  report({ code: 'entry-malformed', index, expected: `an entry with seq ${index}`, actual: 'malformed' });
}

function toCode(error: unknown): string {
  return error instanceof ModelwardError ? error.code : 'unreadable';
}
