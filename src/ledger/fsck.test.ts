import { beforeAll, describe, expect, test } from 'vitest';
import { attackLedger } from '../../test/attacks/ledger-mutations.ts';
import { createRecordingStorage, type RecordingStorage } from '../../test/crash/recording-storage.ts';
import { LEDGER_FOLDER, openTestLedger, testEntries, testNumbers, testSigner } from '../../test/fakes/ledger-kit.ts';
import { testCosigner } from '../../test/fakes/witness-kit.ts';
import { utf8 } from '../core/bytes.ts';
import { cosign, fsckLedger, keepCosignatures, parseNote, signCheckpoint } from './index.ts';

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

describe('fsck of cosigned checkpoints', () => {
  const witnesses = ['a.example', 'b.example'].map(testCosigner);

  /** A copy in which witnesses cosigned the checkpoints of sizes 1, 8, … that are named by their place. */
  function withCosigned(...rows: readonly (readonly [place: number, names: readonly string[]])[]): RecordingStorage {
    const storage = clean.settled();
    for (const [place, names] of rows) {
      const checkpoint = checkpoints[place];
      const { text } = parseNote(utf8(checkpoint));
      const signatures = names.map((name) => cosign(text, 1_767_225_600, testCosigner(name)));
      keepCosignatures({ storage, folder, size: Number(text.split('\n')[1]), checkpoint, signatures });
    }
    return storage;
  }

  function edit(storage: RecordingStorage, name: string, text: string): RecordingStorage {
    const path = `${folder}/cosigned/${name}`;
    if (storage.exists(path)) storage.remove(path);
    storage.create(path, 0o600).write(0, utf8(text));
    return storage;
  }

  test('the newest that enough witnesses cosigned is told', () => {
    const storage = withCosigned([1, ['a.example', 'b.example']], [3, ['a.example']]);
    const check = (required: number) => fsckLedger({ storage, folder, key, witnesses: { keys: witnesses, required } });
    expect(check(1)).toMatchObject({ findings: [], cosigned: { size: 259, cosignatures: [{ name: 'a.example' }] } });
    expect(check(2)).toMatchObject({ findings: [], cosigned: { size: 8, cosignatures: [{}, {}] } });
    expect(fsckLedger({ storage, folder, key })).toMatchObject({ findings: [], cosigned: null });
  });

  test('too few witnesses is a finding', () => {
    const storage = withCosigned([1, ['a.example']], [3, ['b.example']]);
    const { findings } = fsckLedger({ storage, folder, key, witnesses: { keys: witnesses, required: 2 } });
    expect(findings.map(({ code }) => code)).toEqual(['witnesses-missing']);
  });

  test.each([
    ['cosigned-unreadable', '8', 'x'],
    ['stray-file', 'note.txt', 'x'],
    ['stray-file', '08', 'x'],
  ])('%s: %s', (code, name, text) => {
    const storage = edit(withCosigned([0, ['a.example']]), name, text);
    expect(fsckLedger({ storage, folder, key }).findings.map((finding) => finding.code)).toEqual([code]);
  });

  test('a cosignature that does not hold, and a checkpoint under the name of another size', () => {
    const storage = withCosigned([0, ['a.example']], [1, ['b.example']]);
    const moved = Buffer.from(storage.read(`${folder}/cosigned/8`)).toString('utf8');
    const { text } = parseNote(utf8(moved));
    const { name, keyId, bytes } = cosign(text.replace('\n8\n', '\n9\n'), 1, testCosigner('a.example'));
    const line = Buffer.concat([Buffer.from([keyId >>> 24, keyId >>> 16, keyId >>> 8, keyId]), bytes]).toString(
      'base64',
    );
    edit(edit(storage, '9', moved), '8', `${moved}— ${name} ${line}\n`);
    const { findings } = fsckLedger({ storage, folder, key, witnesses: { keys: witnesses, required: 0 } });
    expect(findings.map(({ code, tile }) => [code, tile])).toEqual([
      ['cosignature-invalid', 'cosigned/8'],
      ['cosigned-unreadable', 'cosigned/9'],
    ]);
  });

  test('a history that was rewritten after it was cosigned is seen', () => {
    const storage = withCosigned([0, ['a.example']]);
    const checkpoint = signCheckpoint({ size: 8, root: new Uint8Array(32) }, key);
    const { text } = parseNote(utf8(checkpoint));
    const signatures = [cosign(text, 1, witnesses[0])];
    keepCosignatures({ storage, folder, size: 8, checkpoint, signatures });
    const { findings } = fsckLedger({ storage, folder, key });
    expect(findings).toMatchObject([{ code: 'history-differs', tile: 'cosigned/8' }]);
  });
});
