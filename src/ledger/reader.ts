/** Reading a ledger: entries, proofs and checkpoints; no lock and no private key needed. */
import { toHex } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { hashLeaf, toConsistencyProof, toInclusionProof } from '../core/merkle.ts';
import type { Storage } from '../source/ports.ts';
import { type TreeHead, verifyCheckpoint } from './checkpoint.ts';
import { type Disclosure, parseDisclosures } from './commitment.ts';
import { findFile } from './durable-files.ts';
import { decodeEntry, type Entry } from './entry.ts';
import { CHECKPOINT_FILE, KEY_FILE, toPrivateFolder } from './layout.ts';
import { isSameKey, parseVerifierKey, type VerifierKey } from './note-key.ts';
import { encodeProof } from './proof-file.ts';
import { TILE_WIDTH } from './tile-path.ts';
import { TileReader } from './tile-reader.ts';

/** A ledger as of its newest checkpoint when it was opened. */
export interface LedgerReader {
  readonly key: VerifierKey;
  readonly head: TreeHead;
  /** The signed checkpoint, text. */
  readonly checkpoint: string;
  /** @throws LedgerError LEDGER_INDEX_OUT_OF_RANGE | LEDGER_CORRUPT | LEDGER_ENTRY_MALFORMED */
  read(index: number): Entry;
  /** The bytes of the leaf, as hashed. @throws as `read` */
  readBytes(index: number): Uint8Array;
  /** Entries from index `from` on. @throws as `read` */
  entries(from?: number): Generator<Entry>;
  /**
   * Text of the proof file for an entry.
   * @param checkpoint under an older checkpoint of this ledger, such as one that witnesses cosigned
   * @throws LedgerError LEDGER_INDEX_OUT_OF_RANGE | LEDGER_CORRUPT; as `verifyCheckpoint` for `checkpoint`
   */
  proof(index: number, checkpoint?: string): string;
  /** Hashes that show that the tree of `second` leaves extends that of `first`. @throws as `proof` */
  consistency(first: number, second: number): Uint8Array[];
  /** What opens the commitments of an entry; [] when it has none or the private folder was left behind. */
  disclosures(index: number): readonly Disclosure[];
}

/**
 * Opens the ledger in `folder` for reading.
 * @param key the key that the reader trusts; without it the key in the folder is believed, which proves nothing about
 * whose ledger it is
 * @throws LedgerError LEDGER_NOT_FOUND | LEDGER_WRONG_KEY | LEDGER_NOTE_UNTRUSTED | LEDGER_CHECKPOINT_MALFORMED …
 */
export function openLedgerReader(options: {
  readonly storage: Storage;
  readonly folder: string;
  readonly key?: VerifierKey | undefined;
}): LedgerReader {
  const { storage, folder } = options;
  const key = readKey(storage, folder);
  if (options.key !== undefined && !isSameKey(key, options.key)) {
    throw new LedgerError('LEDGER_WRONG_KEY', { fields: { expected: options.key.name, found: key.name } });
  }
  const bytes = findFile(storage, `${folder}/${CHECKPOINT_FILE}`);
  if (bytes === undefined) throw new LedgerError('LEDGER_NOT_FOUND');
  const checkpoint = Buffer.from(bytes).toString('utf8');
  return readAt({ storage, folder, key, checkpoint, head: verifyCheckpoint(checkpoint, key) });
}

/** The verifier key in the folder. @throws LedgerError LEDGER_NOT_FOUND | LEDGER_KEY_MALFORMED */
export function readKey(storage: Storage, folder: string): VerifierKey {
  const bytes = findFile(storage, `${folder}/${KEY_FILE}`);
  if (bytes === undefined) throw new LedgerError('LEDGER_NOT_FOUND');
  const text = Buffer.from(bytes).toString('utf8');
  if (!text.endsWith('\n')) throw new LedgerError('LEDGER_KEY_MALFORMED');
  return parseVerifierKey(text.slice(0, -1));
}

/** A reader at a head whose checkpoint was verified. */
export function readAt(options: {
  readonly storage: Storage;
  readonly folder: string;
  readonly key: VerifierKey;
  readonly checkpoint: string;
  readonly head: TreeHead;
}): LedgerReader {
  const { storage, folder, key, checkpoint, head } = options;
  const { size } = head;
  const tiles = new TileReader({ storage, folder, size });
  const bundles = createBundleCache(tiles);
  const readBytes = (index: number): Uint8Array => {
    assertIndex(index, size);
    const bytes = bundles(Math.floor(index / TILE_WIDTH))[index % TILE_WIDTH];
    const expected = toHex(tiles.node(0, index));
    const actual = toHex(hashLeaf(bytes));
    if (expected !== actual) throw new LedgerError('LEDGER_CORRUPT', { fields: { index, expected, actual } });
    return bytes;
  };
  const read = (index: number): Entry => decodeEntry(readBytes(index), index);
  return {
    key,
    head,
    checkpoint,
    read,
    readBytes,
    *entries(from = 0) {
      for (let index = from; index < size; index += 1) yield read(index);
    },
    proof: (index, older) => {
      const at = older === undefined ? head : verifyCheckpoint(older, key);
      if (at.size > size) throw new LedgerError('LEDGER_CORRUPT', { fields: { size, cosignedSize: at.size } });
      assertIndex(index, at.size);
      const hashes = toInclusionProof({ index, size: at.size, node: tiles.node });
      return encodeProof({ index, hashes, checkpoint: older ?? checkpoint });
    },
    consistency: (first, second) => {
      const isRange = Number.isSafeInteger(first) && Number.isSafeInteger(second) && first >= 0 && first <= second;
      if (!isRange || second > size) throw outOfRange(second, size);
      return toConsistencyProof({ first, second, node: tiles.node });
    },
    disclosures: (index) => {
      assertIndex(index, size);
      return readDisclosures(storage, folder, index);
    },
  };
}

/** Sequential reads touch one bundle 256 times. */
function createBundleCache(tiles: TileReader): (bundle: number) => Uint8Array[] {
  let cached = { bundle: -1, entries: [] as Uint8Array[] };
  return (bundle) => {
    if (cached.bundle !== bundle) cached = { bundle, entries: tiles.readBundle(bundle) };
    return cached.entries;
  };
}

/** Stored disclosures of one entry. Files of one bundle are named by their first entry. */
function readDisclosures(storage: Storage, folder: string, index: number): Disclosure[] {
  const path = `${folder}/${toPrivateFolder(index)}`;
  return storage.list(path).flatMap((name) => {
    if (Number.parseInt(name, 10) > index) return [];
    return parseDisclosures(storage.read(`${path}/${name}`)).filter((row) => row.index === index);
  });
}

function assertIndex(index: number, size: number): void {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) throw outOfRange(index, size);
}

function outOfRange(index: number, size: number): LedgerError {
  return new LedgerError('LEDGER_INDEX_OUT_OF_RANGE', { fields: { index, size } });
}
