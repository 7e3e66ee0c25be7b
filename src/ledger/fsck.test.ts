import { beforeAll, describe, expect, test } from 'vitest';
import { attackLedger } from '../../test/attacks/ledger-mutations.ts';
import { createRecordingStorage, type RecordingStorage } from '../../test/crash/recording-storage.ts';
import { LEDGER_FOLDER, openTestLedger, testEntries, testNumbers, testSigner } from '../../test/fakes/ledger-kit.ts';
import { fsckLedger, signCheckpoint } from './index.ts';

const isLong = process.env.MODELWARD_LONG === '1';
const key = testSigner();
const folder = LEDGER_FOLDER;
let clean: RecordingStorage;
let checkpoints: string[];

beforeAll(async () => {
  const storage = createRecordingStorage(['/home']);
  const ledger = await openTestLedger(storage);
  const batches = [1, 7, 247, 4, 11, 3];
  let size = 0;
  checkpoints = batches.map((count) => {
    const entries = testEntries(count, size).map((entry, i) =>
      i === 0 ? { ...entry, sensitive: { customer: 'A' } } : entry,
    );
    size += count;
    return ledger.append(entries).checkpoint;
  });
  ledger.close();
  clean = storage.settled();
});

/** Overwrites one file of a copy. */
function withFile(path: string, change: (bytes: Uint8Array) => Uint8Array): RecordingStorage {
  const storage = clean.settled();
  const full = `${folder}/${path}`;
  const bytes = change(storage.read(full));
  storage.remove(full);
  storage.create(full, 0o600).write(0, bytes);
  return storage;
}

function codes(storage: RecordingStorage): string[] {
  return fsckLedger({ storage, folder, key }).findings.map((finding) => finding.code);
}

describe('fsck', () => {
  test('finds nothing in a sound ledger, and checks old checkpoints against it', () => {
    const report = fsckLedger({ storage: clean, folder, key, knownCheckpoints: checkpoints });
    expect(report).toMatchObject({ size: 273, isKeyTrusted: true, findings: [] });
    expect(fsckLedger({ storage: clean, folder }).isKeyTrusted).toBe(false);
  });

  test('an edited entry is named with the hash that it should have', () => {
    const storage = withFile('tile/entries/001.p/17', (bytes) => {
      const edited = Buffer.from(bytes);
      edited.write('b', edited.indexOf('owner-1'));
      return new Uint8Array(edited);
    });
    const { findings } = fsckLedger({ storage, folder, key });
    expect(findings[0]).toMatchObject({ code: 'entry-hash-differs', index: 256, tile: 'tile/0/001.p/17' });
    expect(findings.map((finding) => finding.code)).toContain('root-differs');
  });

  test.each([
    ['tile-differs', 'tile/1/000.p/1', (bytes: Uint8Array) => bytes.map((byte) => byte ^ 1)],
    ['tile-differs', 'tile/0/000', (bytes: Uint8Array) => bytes.slice(0, 100)],
    ['entry-malformed', 'tile/entries/000', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 2 ? 32 : byte))],
    ['bundle-differs', 'tile/entries/000', (bytes: Uint8Array) => bytes.slice(0, -1)],
    ['checkpoint-unreadable', 'checkpoint', (bytes: Uint8Array) => bytes.slice(1)],
    ['signed-head-unreadable', 'signed', (bytes: Uint8Array) => bytes.fill(0)],
    ['key-differs', 'key', (bytes: Uint8Array) => bytes.slice(0, 5)],
    [
      'disclosure-differs',
      'private/000/0.json',
      (bytes: Uint8Array) => Buffer.from(Buffer.from(bytes).toString().replace('"A"', '"B"')),
    ],
    ['disclosure-differs', 'private/000/0.json', () => new Uint8Array([1])],
  ])('%s: %s', (code, path, change) => {
    expect(codes(withFile(path, change))).toContain(code);
  });

  test('missing and unknown files are named', () => {
    const storage = clean.settled();
    storage.remove(`${folder}/tile/0/001.p/17`);
    storage.remove(`${folder}/tile/entries/001.p/17`);
    for (const path of [
      'tile/0/002',
      'tile/0/x000/000',
      'tile/0/001.p/18',
      'tile/7/000',
      'tile/entries/001.p/0',
      'note.txt',
    ]) {
      storage.makeFolder(`${folder}/${path}`.slice(0, `${folder}/${path}`.lastIndexOf('/')), 0o700);
      storage.create(`${folder}/${path}`, 0o600).write(0, new Uint8Array([1]));
    }
    const { findings } = fsckLedger({ storage, folder, key });
    const strays = findings.filter((finding) => finding.code === 'stray-file').map((finding) => finding.tile);
    expect(strays.sort()).toEqual(
      ['note.txt', 'tile/0/001.p/18', 'tile/0/002', 'tile/0/x000/000', 'tile/7/000', 'tile/entries/001.p/0'].sort(),
    );
    expect(findings.map((finding) => finding.code)).toContain('entry-missing');
    const noTile = clean.settled();
    noTile.remove(`${folder}/tile/0/000`);
    expect(codes(noTile)).toEqual(['tile-missing']);
  });

  test('what lies among the disclosures and is none is named', () => {
    const storage = clean.settled();
    const strays = ['private/note.txt', 'private/009/2304.json', 'private/x000/001/0.json'];
    for (const path of strays) {
      storage.makeFolder(`${folder}/${path}`.slice(0, `${folder}/${path}`.lastIndexOf('/')), 0o700);
      storage.create(`${folder}/${path}`, 0o600).write(0, new Uint8Array([1]));
    }
    const { findings } = fsckLedger({ storage, folder, key });
    expect(findings.map((finding) => [finding.code, finding.tile])).toEqual([
      ['stray-file', 'private/009/2304.json'],
      ['stray-file', 'private/note.txt'],
      ['stray-file', 'private/x000/001'],
    ]);
  });

  test('a checkpoint over 2^52 entries that are not there costs no more than what is there', () => {
    const storage = withFile('checkpoint', () =>
      Buffer.from(signCheckpoint({ size: 2 ** 52, root: new Uint8Array(32) }, key)),
    );
    expect(codes(storage)).toContain('entry-missing');
  });

  test('empty folders that a discarded batch left behind are no finding', () => {
    const storage = clean.settled();
    for (const path of ['tile/2', 'tile/0/002.p', 'private/009']) storage.makeFolder(`${folder}/${path}`, 0o700);
    expect(codes(storage)).toEqual([]);
  });

  test('a history rewritten by the owner is seen against a checkpoint that was kept elsewhere', async () => {
    const other = createRecordingStorage(['/home']);
    const ledger = await openTestLedger(other);
    ledger.append(testEntries(300, 5000));
    ledger.close();
    expect(fsckLedger({ storage: other, folder, key }).findings).toEqual([]);
    const report = fsckLedger({ storage: other, folder, key, knownCheckpoints: checkpoints.slice(0, 1) });
    expect(report.findings.map((finding) => finding.code)).toEqual(['history-differs']);
    const longer = signCheckpoint({ size: 1000, root: new Uint8Array(32) }, key);
    const shorter = fsckLedger({ storage: clean, folder, key, knownCheckpoints: [longer] });
    expect(shorter.findings.map((finding) => finding.code)).toEqual(['history-differs']);
  });

  test('a signed head that is behind the checkpoint is a finding', async () => {
    const storage = createRecordingStorage(['/home']);
    const ledger = await openTestLedger(storage);
    ledger.append(testEntries(1));
    const old = storage.files().get(`${folder}/signed`)!;
    ledger.append(testEntries(1));
    ledger.close();
    storage.openForUpdate(`${folder}/signed`).write(0, old);
    expect(codes(storage)).toEqual(['signed-head-differs']);
  });

  test('every seeded edit, deletion, reordering or insertion in the past is found', () => {
    const next = testNumbers(2026);
    const missed: string[] = [];
    const counts = new Map<string, number>();
    const runs = isLong ? 10_500 : 400;
    for (let run = 0; run < runs; run += 1) {
      const { storage, attack } = attackLedger(clean, next);
      const kind = attack.split(' ')[0];
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      const hasFound = hasFindings(storage);
      if (!hasFound) missed.push(`${run} ${attack}`);
    }
    expect(counts.size).toBe(14);
    expect(missed).toEqual([]);
  });
});

/** A folder without a key file is no ledger, which is found by being refused. */
function hasFindings(storage: RecordingStorage): boolean {
  try {
    return fsckLedger({ storage, folder, key }).findings.length > 0;
  } catch (error) {
    return (error as { code?: string }).code === 'LEDGER_NOT_FOUND';
  }
}
