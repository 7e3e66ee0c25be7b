import { beforeEach, describe, expect, test } from 'vitest';
import { createRecordingStorage, type RecordingStorage } from '../../test/crash/recording-storage.ts';
import {
  LEDGER_FOLDER,
  openTestLedger,
  testEntries,
  testEntry,
  testLock,
  testSigner,
} from '../../test/fakes/ledger-kit.ts';
import { toHex } from '../core/bytes.ts';
import { SourceError } from '../core/errors.ts';
import { isConsistencyProven, isInclusionProven, hashLeaf } from '../core/merkle.ts';
import type { Storage } from '../source/ports.ts';
import {
  createGroupCommit,
  fsckLedger,
  openLedgerReader,
  parseProof,
  verifyCheckpoint,
  verifyDisclosure,
  verifyProof,
} from './index.ts';

const key = testSigner();
let storage: RecordingStorage;
beforeEach(() => {
  storage = createRecordingStorage(['/home']);
});

function fsck() {
  return fsckLedger({ storage, folder: LEDGER_FOLDER, key });
}

describe('ledger', () => {
  test('a new ledger has a signed checkpoint of the empty tree', async () => {
    const ledger = await openTestLedger(storage);
    const head = verifyCheckpoint(ledger.checkpoint(), key);
    expect(head.size).toBe(0);
    expect(toHex(head.root)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    ledger.close();
    expect(fsck().findings).toEqual([]);
  });

  test('what is appended is read back, proven, and covered by the checkpoint of its receipt', async () => {
    const ledger = await openTestLedger(storage);
    const first = ledger.append(testEntries(3));
    const second = ledger.append([testEntry(3)]);
    expect([first.firstIndex, second.firstIndex]).toEqual([0, 3]);
    expect(verifyCheckpoint(first.checkpoint, key).size).toBe(3);
    expect(verifyCheckpoint(second.checkpoint, key).size).toBe(4);
    const reader = ledger.reader();
    expect(reader.read(3)).toMatchObject({ v: 1, seq: 3, ts: '2026-01-01T00:00:00.000Z', ...testEntry(3) });
    expect([...reader.entries(1)].map((entry) => entry.seq)).toEqual([1, 2, 3]);
    expect(verifyProof({ proof: reader.proof(2), entry: reader.readBytes(2), key })).toMatchObject({ index: 2 });
    ledger.close();
  });

  test('batches of every size around tile borders leave the same tree as one entry at a time', async () => {
    const sizes = [1, 254, 1, 1, 255, 256, 257, 512, 3];
    const ledger = await openTestLedger(storage);
    let size = 0;
    for (const count of sizes) {
      ledger.append(testEntries(count, size));
      size += count;
    }
    ledger.close();
    expect(fsck()).toMatchObject({ size, findings: [] });
    const single = createRecordingStorage(['/home']);
    const other = await openTestLedger(single);
    for (let n = 0; n < 300; n += 1) other.append([testEntry(n)]);
    other.close();
    expect(fsckLedger({ storage: single, folder: LEDGER_FOLDER, key }).findings).toEqual([]);
    const [long, short] = [storage, single].map((place) =>
      openLedgerReader({ storage: place, folder: LEDGER_FOLDER, key }),
    );
    const proof = long.consistency(300, size);
    const roots = { firstRoot: short.head.root, secondRoot: long.head.root };
    expect(isConsistencyProven({ first: 300, second: size, ...roots, proof })).toBe(true);
    for (const index of [0, 255, 256, 511, 600, size - 1]) {
      const { hashes } = parseProof(long.proof(index));
      const leafHash = hashLeaf(long.readBytes(index));
      expect(isInclusionProven({ leafHash, index, size, proof: hashes, root: long.head.root })).toBe(true);
    }
  });

  test('tiles lie where C2SP tlog-tiles puts them, and partial ones go when the full one is there', async () => {
    const ledger = await openTestLedger(storage);
    for (let n = 0; n < 255; n += 5) ledger.append(testEntries(5, n));
    expect(storage.list(`${LEDGER_FOLDER}/tile/0/000.p`)).toHaveLength(51);
    ledger.append(testEntries(17, 255));
    ledger.close();
    const tiles = [...storage.files().keys()].filter((path) => path.includes('/tile/'));
    expect(tiles.map((path) => path.slice(LEDGER_FOLDER.length + 6)).sort()).toEqual([
      '0/000',
      '0/001.p/16',
      '1/000.p/1',
      'entries/000',
      'entries/001.p/16',
    ]);
    expect(storage.read(`${LEDGER_FOLDER}/tile/0/000`)).toHaveLength(8192);
  });

  test('sensitive fields are salted commitments in the leaf, and open one by one', async () => {
    const ledger = await openTestLedger(storage);
    const sensitive = { customer: 'ACME GmbH', price: 12000 };
    ledger.append([testEntry(0), { ...testEntry(1), sensitive }, { ...testEntry(2), sensitive }]);
    const reader = ledger.reader();
    const text = [0, 1, 2].map((index) => Buffer.from(reader.readBytes(index)).toString()).join();
    expect(text).not.toContain('ACME');
    expect(text).not.toContain('12000');
    const [first, second] = [reader.read(1), reader.read(2)];
    expect(first.commitments?.customer).not.toBe(second.commitments?.customer);
    const rows = reader.disclosures(1);
    expect(rows.map((row) => [row.field, row.value])).toEqual(Object.entries(sensitive));
    for (const row of rows) verifyDisclosure(first, row);
    expect(reader.disclosures(0)).toEqual([]);
    const [row] = rows;
    for (const forged of [
      { ...row, value: 'Other' },
      { ...row, saltHex: 'ab' },
      { ...row, field: 'toString' },
      { ...row, index: 2 },
    ]) {
      expect(() => {
        verifyDisclosure(first, forged);
      }).toThrow(expect.objectContaining({ code: 'LEDGER_DISCLOSURE_MISMATCH' }));
    }
    ledger.close();
    expect(fsck().findings).toEqual([]);
  });

  test('an entry of a wrong form is refused by field, and nothing of its batch is written', async () => {
    const ledger = await openTestLedger(storage);
    const wrong = { ...testEntry(0), detail: { sealId: '', extra: 1 } } as never;
    expect(() => ledger.append([testEntry(1), wrong])).toThrow(
      expect.objectContaining({ code: 'LEDGER_ENTRY_REFUSED' }),
    );
    expect(() => ledger.append([{ ...testEntry(1), type: 'toString' } as never])).toThrow(
      expect.objectContaining({ code: 'LEDGER_ENTRY_REFUSED' }),
    );
    const sensitive = { note: 'x'.repeat(100_000) };
    ledger.append([{ ...testEntry(1), sensitive }]);
    const digests = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`d${i}`, 'a'.repeat(64)]));
    const large = { type: 'open', actor: 'a', subject: 's', digests, detail: { sealId: 'x' } } as const;
    expect(() => ledger.append([large])).toThrow(expect.objectContaining({ code: 'LEDGER_ENTRY_TOO_LARGE' }));
    expect(() => ledger.append(testEntries(4097))).toThrow(expect.objectContaining({ code: 'LEDGER_BATCH_TOO_LARGE' }));
    expect(ledger.append([testEntry(2)]).firstIndex).toBe(1);
    ledger.close();
    expect(fsck().findings).toEqual([]);
  });

  test('the ledger of another key is neither opened nor read as ours', async () => {
    (await openTestLedger(storage)).close();
    const other = testSigner('example.test/other');
    await expect(openTestLedger(storage, { signer: other })).rejects.toMatchObject({ code: 'LEDGER_WRONG_KEY' });
    expect(() => openLedgerReader({ storage, folder: LEDGER_FOLDER, key: other })).toThrow(
      expect.objectContaining({ code: 'LEDGER_WRONG_KEY' }),
    );
    expect(() => openLedgerReader({ storage, folder: '/home/none' })).toThrow(
      expect.objectContaining({ code: 'LEDGER_NOT_FOUND' }),
    );
  });

  test('indexes outside the ledger are refused', async () => {
    const ledger = await openTestLedger(storage);
    ledger.append(testEntries(2));
    for (const index of [-1, 2, 0.5, Number.NaN]) {
      for (const ask of [() => ledger.reader().read(index), () => ledger.reader().proof(index)]) {
        expect(ask).toThrow(expect.objectContaining({ code: 'LEDGER_INDEX_OUT_OF_RANGE' }));
      }
    }
    expect(() => ledger.reader().consistency(1, 3)).toThrow(
      expect.objectContaining({ code: 'LEDGER_INDEX_OUT_OF_RANGE' }),
    );
    ledger.close();
    expect(() => ledger.append([testEntry(1)])).toThrow(TypeError);
  });

  test('a writer that lost its lock signs nothing', async () => {
    const lock = testLock();
    const first = await openTestLedger(storage, { lock });
    first.append([testEntry(0)]);
    lock.steal();
    const second = await openTestLedger(storage, { lock });
    expect(() => first.append([testEntry(1)])).toThrow(expect.objectContaining({ code: 'LEDGER_LOCK_LOST' }));
    second.append([testEntry(2)]);
    second.close();
    expect(fsck()).toMatchObject({ size: 2, findings: [] });
  });

  test('a writer that is replaced while it writes its tiles signs nothing', async () => {
    const lock = testLock();
    let isStolen = false;
    const place: Storage = {
      ...storage,
      syncFolder: (path) => {
        if (isStolen) lock.steal();
        storage.syncFolder(path);
      },
    };
    const ledger = await openTestLedger(place, { lock });
    ledger.append([testEntry(0)]);
    const before = [storage.read(`${LEDGER_FOLDER}/signed`), storage.read(`${LEDGER_FOLDER}/checkpoint`)];
    isStolen = true;
    expect(() => ledger.append([testEntry(1)])).toThrow(expect.objectContaining({ code: 'LEDGER_LOCK_LOST' }));
    expect([storage.read(`${LEDGER_FOLDER}/signed`), storage.read(`${LEDGER_FOLDER}/checkpoint`)]).toEqual(before);
  });

  test('a writer waits ten seconds for the lock unless told otherwise', async () => {
    const asked: number[] = [];
    const acquire = ({ waitMs }: { waitMs: number }) => {
      asked.push(waitMs);
      return Promise.resolve({ isHeld: () => true, release: () => undefined });
    };
    (await openTestLedger(storage, { lock: { acquire } })).close();
    (await openTestLedger(storage, { lock: { acquire }, lockWaitMs: 5 })).close();
    expect(asked).toEqual([10_000, 5]);
  });

  test('even with a lock that never notices, the stored head keeps a replaced writer from signing', async () => {
    const blind = { acquire: () => Promise.resolve({ isHeld: () => true, release: () => undefined }) };
    const first = await openTestLedger(storage, { lock: blind });
    const second = await openTestLedger(storage, { lock: blind });
    second.append([testEntry(0)]);
    expect(() => first.append([testEntry(1)])).toThrow(expect.objectContaining({ code: 'LEDGER_LOCK_LOST' }));
    second.close();
    expect(fsck().findings).toEqual([]);
  });

  test('a failed write ends the writer; the next opening goes on from the last signed head', async () => {
    let isFull = false;
    const disk: Storage = {
      ...storage,
      create: (path, mode) => {
        if (isFull) throw new SourceError('WRITE_FAILED', { fields: { errno: 'ENOSPC' } });
        return storage.create(path, mode);
      },
    };
    const ledger = await openTestLedger(disk);
    ledger.append([testEntry(0)]);
    isFull = true;
    const failed = { code: 'LEDGER_WRITE_FAILED', fields: { reason: 'WRITE_FAILED', errno: 'ENOSPC' } };
    expect(() => ledger.append([testEntry(1)])).toThrow(expect.objectContaining(failed));
    isFull = false;
    expect(() => ledger.append([testEntry(1)])).toThrow(expect.objectContaining({ code: 'LEDGER_WRITE_FAILED' }));
    ledger.close();
    const next = await openTestLedger(storage);
    expect(next.append([testEntry(1)]).firstIndex).toBe(1);
    next.close();
    expect(fsck()).toMatchObject({ size: 2, findings: [] });
  });

  test('a ledger without its signed head, or behind its checkpoint, is never written again', async () => {
    const ledger = await openTestLedger(storage);
    ledger.append([testEntry(0)]);
    const old = storage.files();
    ledger.append([testEntry(1)]);
    ledger.close();
    const rolledBack = storage.settled();
    const file = rolledBack.openForUpdate(`${LEDGER_FOLDER}/signed`);
    file.write(0, old.get(`${LEDGER_FOLDER}/signed`)!);
    await expect(openTestLedger(rolledBack)).rejects.toMatchObject({ code: 'LEDGER_FORKED' });
    const bare = storage.settled();
    bare.remove(`${LEDGER_FOLDER}/signed`);
    await expect(openTestLedger(bare)).rejects.toMatchObject({ code: 'LEDGER_FORKED' });
  });

  test('a tree that was edited is not signed over, and an edited entry is not read', async () => {
    const ledger = await openTestLedger(storage);
    ledger.append(testEntries(2));
    ledger.close();
    const path = `${LEDGER_FOLDER}/tile/entries/000.p/2`;
    const bytes = storage.read(path);
    bytes[20] ^= 1;
    storage.openForUpdate(path).write(0, bytes);
    await expect(openTestLedger(storage)).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    const reader = openLedgerReader({ storage, folder: LEDGER_FOLDER, key });
    expect(() => reader.read(0)).toThrow(expect.objectContaining({ code: 'LEDGER_CORRUPT' }));
    storage.remove(path);
    expect(() => openLedgerReader({ storage, folder: LEDGER_FOLDER, key }).read(0)).toThrow(
      expect.objectContaining({ code: 'LEDGER_CORRUPT' }),
    );
  });
});

describe('group commit', () => {
  test('what is asked for in one turn shares a checkpoint; a bad batch fails alone', async () => {
    const ledger = await openTestLedger(storage);
    const writer = createGroupCommit(ledger);
    const bad = { ...testEntry(0), actor: '' };
    const results = await Promise.allSettled([
      writer.append(testEntries(2)),
      writer.append([bad]),
      writer.append(testEntries(3, 2)),
    ]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const [a, b] = await Promise.all([writer.append([testEntry(5)]), writer.append(testEntries(4000, 6))]);
    expect([a.firstIndex, b.firstIndex, a.checkpoint === b.checkpoint]).toEqual([5, 6, true]);
    const [c, d] = await Promise.all([writer.append(testEntries(4000)), writer.append(testEntries(200))]);
    expect(c.checkpoint).not.toBe(d.checkpoint);
    ledger.close();
    expect(fsck()).toMatchObject({ size: 8206, findings: [] });
  });
});
