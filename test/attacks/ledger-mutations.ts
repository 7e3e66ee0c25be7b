/** Seeded attacks on a ledger folder by somebody who can write every file but has no key. */
import { concatBytes } from '../../src/core/bytes.ts';
import { toCanonicalJsonBytes, type Json } from '../../src/core/canonical-json.ts';
import { hashLeaf, hashNode } from '../../src/core/merkle.ts';
import { LEDGER_FOLDER } from '../fakes/ledger-kit.ts';
import type { RecordingStorage } from '../crash/recording-storage.ts';

/** What an attack did, in words, for the message of a failing test. */
export type Attack = string;

type Files = Map<string, Uint8Array>;
type Numbers = () => number;

const WIDTH = 256;

/** Kinds that change what is stored, and leave the rest of the folder alone or rebuild every tile around the change. */
const ENTRY_KINDS = ['edit-byte', 'edit-value', 'delete', 'reorder', 'insert', 'duplicate', 'replace-by-own'] as const;
const FILE_KINDS = ['flip-bit', 'truncate', 'extend', 'remove-file', 'swap-files', 'rename-file', 'add-file'] as const;

/** Entries of a ledger whose tiles were all read from `files`. */
function readEntries(files: Files): Uint8Array[] {
  const entries: Uint8Array[] = [];
  const names = [...files.keys()].filter((path) => path.startsWith('tile/entries/'));
  const newest = names.filter((path) => !path.includes('.p/')).sort();
  const partial = names
    .filter((path) => path.includes('.p/'))
    .sort((a, b) => a.split('.p/')[0].localeCompare(b.split('.p/')[0]) || toWidth(a) - toWidth(b))
    .at(-1);
  for (const path of partial === undefined ? newest : [...newest, partial]) {
    const bytes = files.get(path)!;
    for (let at = 0; at < bytes.length; ) {
      const end = at + 2 + bytes[at] * 256 + bytes[at + 1];
      entries.push(bytes.slice(at + 2, end));
      at = end;
    }
  }
  return entries;
}

function toWidth(path: string): number {
  return Number(path.split('.p/')[1]);
}

/** Writes bundles and all tiles of a changed list of entries, as a forger without the key would. */
function rebuild(files: Files, entries: readonly Uint8Array[]): void {
  for (const path of [...files.keys()]) if (path.startsWith('tile/')) files.delete(path);
  const name = (index: number, width: number): string =>
    `${String(index).padStart(3, '0')}${width === WIDTH ? '' : `.p/${width}`}`;
  for (let at = 0; at < entries.length; at += WIDTH) {
    const group = entries.slice(at, at + WIDTH);
    const parts = group.flatMap((entry) => [new Uint8Array([entry.length >> 8, entry.length & 255]), entry]);
    files.set(`tile/entries/${name(at / WIDTH, group.length)}`, concatBytes(...parts));
  }
  let hashes = entries.map((entry) => hashLeaf(entry));
  for (let level = 0; hashes.length > 0; level += 1) {
    const above: Uint8Array[] = [];
    for (let at = 0; at < hashes.length; at += WIDTH) {
      const group = hashes.slice(at, at + WIDTH);
      files.set(`tile/${level}/${name(at / WIDTH, group.length)}`, concatBytes(...group));
      if (group.length === WIDTH) above.push(fold(group));
    }
    hashes = above;
  }
}

function fold(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return hashes[0];
  const half = hashes.length / 2;
  return hashNode(fold(hashes.slice(0, half)), fold(hashes.slice(half)));
}

function pick<T>(items: readonly T[], next: Numbers): T {
  return items[Math.floor(next() * items.length)];
}

/** Changes one entry's meaning and keeps it canonical and well-formed. */
function editValue(entry: Uint8Array, next: Numbers): Uint8Array {
  const value = JSON.parse(Buffer.from(entry).toString('utf8')) as Record<string, Json>;
  const changes: Record<string, Json>[] = [
    { actor: 'somebody-else' },
    { subject: 'another-model' },
    { ts: '2025-01-01T00:00:00.000Z' },
  ];
  return toCanonicalJsonBytes({ ...value, ...pick(changes, next) });
}

function renumber(entries: readonly Uint8Array[]): Uint8Array[] {
  return entries.map((entry, seq) =>
    toCanonicalJsonBytes({ ...(JSON.parse(Buffer.from(entry).toString('utf8')) as Record<string, Json>), seq }),
  );
}

/** A forger's list of entries, by kind; with sequence numbers made to fit half of the time. */
function changeEntries(
  entries: readonly Uint8Array[],
  kind: (typeof ENTRY_KINDS)[number],
  next: Numbers,
): Uint8Array[] {
  const out: Uint8Array[] = entries.map((entry) => entry.slice());
  const at = Math.floor(next() * out.length);
  const other = (at + 1 + Math.floor(next() * (out.length - 1))) % out.length;
  if (kind === 'edit-byte') out[at][Math.floor(next() * out[at].length)] ^= 1 << Math.floor(next() * 8);
  else if (kind === 'edit-value') out[at] = editValue(out[at], next);
  else if (kind === 'delete') out.splice(at, 1 + Math.floor(next() * 3));
  else if (kind === 'reorder') [out[at], out[other]] = [out[other], out[at]];
  else if (kind === 'insert') out.splice(at, 0, editValue(out[other], next));
  else if (kind === 'duplicate') out.splice(at, 0, out[at]);
  else out[at] = out[other];
  return kind !== 'edit-byte' && next() < 0.5 ? renumber(out) : out;
}

function changeFile(files: Files, kind: (typeof FILE_KINDS)[number], next: Numbers): string {
  // Refusals and locks carry no history, and of the signed head only the newer slot counts (it has tests of its own).
  const paths = [...files.keys()].filter((path) => /^(tile\/|checkpoint$|key$|private\/)/.test(path)).sort();
  const isLoss = kind === 'remove-file' || kind === 'rename-file';
  const path = pick(isLoss ? paths.filter((name) => isNeeded(name, paths)) : paths, next);
  const bytes = files.get(path)!;
  if (kind === 'flip-bit') {
    const flipped = bytes.slice();
    flipped[Math.floor(next() * bytes.length)] ^= 1 << Math.floor(next() * 8);
    files.set(path, flipped);
  } else if (kind === 'truncate') files.set(path, bytes.slice(0, Math.floor(next() * bytes.length)));
  else if (kind === 'extend') files.set(path, concatBytes(bytes, bytes.slice(0, 1 + Math.floor(next() * 40))));
  else if (kind === 'remove-file') files.delete(path);
  else if (kind === 'add-file') files.set(`${path}${Math.floor(next() * 9)}`, bytes);
  else {
    const target = pick(
      paths.filter((name) => name !== path && !isSame(files.get(name)!, bytes)),
      next,
    );
    if (kind === 'swap-files') files.set(path, files.get(target)!);
    else files.delete(path);
    files.set(target, bytes);
  }
  return path;
}

/** Disclosures may be destroyed at will, and partial tiles once a wider one is there. */
function isNeeded(path: string, paths: readonly string[]): boolean {
  const [tile] = path.split('.p/');
  const isWider = (other: string): boolean => other.startsWith(`${tile}.p/`) && toWidth(other) > toWidth(path);
  return !path.startsWith('private/') && !(path.includes('.p/') && paths.some(isWider));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/**
 * One attack on a copy of the ledger.
 * @param source a ledger that fsck finds clean
 */
export function attackLedger(source: RecordingStorage, next: Numbers): { storage: RecordingStorage; attack: Attack } {
  const start = `${LEDGER_FOLDER}/`;
  const files: Files = new Map([...source.files()].map(([path, bytes]) => [path.slice(start.length), bytes]));
  const kind = pick([...ENTRY_KINDS, ...FILE_KINDS], next);
  const entryKind = ENTRY_KINDS.find((name) => name === kind);
  const fileKind = FILE_KINDS.find((name) => name === kind);
  let where = '';
  if (entryKind !== undefined) {
    const entries = readEntries(files);
    const changed = changeEntries(entries, entryKind, next);
    rebuild(files, changed);
  } else if (fileKind !== undefined) where = changeFile(files, fileKind, next);
  const storage = source.settled();
  for (const path of storage.files().keys()) storage.remove(path);
  for (const [path, bytes] of files) {
    const full = start + path;
    storage.makeFolder(full.slice(0, full.lastIndexOf('/')), 0o700);
    storage.create(full, 0o600).write(0, bytes);
  }
  return { storage, attack: `${kind} ${where}` };
}
