import { beforeEach, describe, expect, test } from 'vitest';
import { createRecordingStorage, type RecordingStorage } from '../../../test/crash/recording-storage.ts';
import { testRandom, testSigner } from '../../../test/fakes/ledger-kit.ts';
import {
  growReaders,
  openTestWitness,
  prepareWitness,
  type TestWitness,
  toBody,
  toPosted,
  WITNESS_FOLDER,
} from '../../../test/fakes/witness-kit.ts';
import { toBase64, utf8 } from '../../core/bytes.ts';
import { SourceError } from '../../core/errors.ts';
import { toEmptyRoot } from '../../core/merkle.ts';
import {
  addLog,
  createWitnessFolder,
  createWitnessHandler,
  encodeAddCheckpoint,
  findCosignature,
  hasFork,
  listLogs,
  type LedgerReader,
  parseCosignerKey,
  parseNote,
  readCosigner,
  signCheckpoint,
} from '../index.ts';
import { parseAddCheckpoint } from './request.ts';

const key = testSigner();
const LOG_FOLDER = `${WITNESS_FOLDER}/logs`;
const coded = (code: string) => expect.objectContaining({ code }) as Error;
const hash = toBase64(new Uint8Array(32).fill(1));

let storage: RecordingStorage;
let readers: LedgerReader[];
let at: TestWitness;

/** The file of the one log that holds what was cosigned last. */
function statePath(): string {
  const [id] = storage.list(LOG_FOLDER);
  return `${LOG_FOLDER}/${id}/checkpoint`;
}

function replace(path: string, bytes: Uint8Array): void {
  storage.remove(path);
  const file = storage.create(path, 0o600);
  file.write(0, bytes);
  file.close();
}

beforeEach(async () => {
  storage = createRecordingStorage(['/home']);
  prepareWitness(storage);
  readers = await growReaders(storage, '/home/ledger', [3, 8, 13]);
  at = await openTestWitness(storage);
});

describe('add-checkpoint', () => {
  test('200: the cosignature of each size in turn, verified by the key that the witness publishes', async () => {
    const witnessKey = parseCosignerKey(at.witness.verifierKey);
    let oldSize = 0;
    for (const reader of readers) {
      const { status, text } = await at.post(toBody(reader, oldSize));
      expect(status).toBe(200);
      const note = parseNote(utf8(`${reader.checkpoint}${text}`));
      expect(findCosignature(note, witnessKey)).toMatchObject({ timeSeconds: Math.floor(at.clock.nowMs() / 1000) });
      oldSize = reader.head.size;
    }
    expect(at.troubles).toEqual([]);
  });

  test('200: signatures of others on the checkpoint are ignored, and are not kept', async () => {
    const foreign = `— elsewhere.example ${toBase64(new Uint8Array(68).fill(9))}\n`;
    expect((await at.post(`old 0\n\n${readers[0].checkpoint}${foreign}`)).status).toBe(200);
    expect(Buffer.from(storage.read(statePath())).toString('utf8')).not.toContain('elsewhere');
  });

  test('404: an origin that it was not told of, even when well signed', async () => {
    const [reader] = await growReaders(storage, '/home/other', [2]);
    const signer = testSigner('example.test/unknown');
    const checkpoint = signCheckpoint(reader.head, signer);
    expect((await at.post(encodeAddCheckpoint({ oldSize: 0, proof: [], checkpoint }))).status).toBe(404);
  });

  test.each([
    ['no known key signed', (text: string) => text.replace('— example.test/ledger', '— example.test/another')],
    ['the signature is wrong', (text: string) => text.replace('\n3\n', '\n4\n')],
    ['one of two signatures of a known key is wrong', (text: string) => `${text}${wrongLine(text)}`],
  ])('403: %s', async (_, change) => {
    expect((await at.post(`old 0\n\n${change(readers[0].checkpoint)}`)).status).toBe(403);
    expect(storage.exists(statePath())).toBe(false);
  });

  function wrongLine(text: string): string {
    const { name, keyId, bytes } = parseNote(utf8(text)).signatures[0];
    const forged = Buffer.concat([Buffer.alloc(4), bytes.slice().fill(0, 0, 9)]);
    forged.writeUInt32BE(keyId);
    return `— ${name} ${forged.toString('base64')}\n`;
  }

  test('409 with the size that it knows: an old size that is not that, at the first time and later', async () => {
    expect(await at.post(toBody(readers[1], 3))).toEqual({ status: 409, type: 'text/x.tlog.size', text: '0\n' });
    await at.post(toBody(readers[1], 0));
    expect(await at.post(toBody(readers[2], 3))).toEqual({ status: 409, type: 'text/x.tlog.size', text: '8\n' });
    expect(await at.post(toBody(readers[0], 0))).toEqual({ status: 409, type: 'text/x.tlog.size', text: '8\n' });
  });

  test('409 without a size: a fork of the same size; both notes are kept as the proof, once', async () => {
    await at.post(toBody(readers[1], 0));
    const fork = signCheckpoint({ size: 8, root: new Uint8Array(32).fill(9) }, key);
    const answer = await at.post(encodeAddCheckpoint({ oldSize: 8, proof: [], checkpoint: fork }));
    expect([answer.status, answer.type]).toEqual([409, 'text/plain; charset=utf-8']);
    expect((await at.post(encodeAddCheckpoint({ oldSize: 8, proof: [], checkpoint: fork }))).status).toBe(409);
    expect(at.forks).toEqual(['example.test/ledger 8']);
    expect(hasFork({ storage, folder: WITNESS_FOLDER }, key.name)).toBe(true);
    const kept = Buffer.from(storage.read(statePath().replace(/checkpoint$/, 'fork'))).toString('utf8');
    expect(kept).toContain(fork);
    expect(kept).toContain(readers[1].checkpoint);
    // What it cosigned is what it goes on from.
    expect((await at.post(toBody(readers[2], 8))).status).toBe(200);
  });

  test('409: of size 0 there is one tree', async () => {
    const toEmpty = (root: Uint8Array) =>
      encodeAddCheckpoint({ oldSize: 0, proof: [], checkpoint: signCheckpoint({ size: 0, root }, key) });
    expect((await at.post(toEmpty(new Uint8Array(32)))).status).toBe(409);
    expect((await at.post(toEmpty(toEmptyRoot()))).status).toBe(200);
    expect((await at.post(toBody(readers[0], 0))).status).toBe(200);
  });

  test('422: a proof that does not hold, is missing, or stands where none may be', async () => {
    const { checkpoint } = readers[1];
    expect((await at.post(`old 0\n${hash}\n\n${checkpoint}`)).status).toBe(422);
    await at.post(toBody(readers[0], 0));
    for (const proof of [[], [new Uint8Array(32)], [...readers[1].consistency(3, 8), new Uint8Array(32)]]) {
      expect((await at.post(encodeAddCheckpoint({ oldSize: 3, proof, checkpoint }))).status).toBe(422);
    }
    expect((await at.post(`old 3\n${hash}\n\n${readers[0].checkpoint}`)).status).toBe(422);
    expect((await at.post(toBody(readers[1], 3))).status).toBe(200);
  });

  test('422: a history that is rewritten from an entry before, in every one of its sizes', async () => {
    await at.post(toBody(readers[0], 0));
    const root = new Uint8Array(32).fill(3);
    for (const size of [4, 8, 13]) {
      const checkpoint = signCheckpoint({ size, root }, key);
      const proof = readers[2].consistency(3, size);
      expect((await at.post(encodeAddCheckpoint({ oldSize: 3, proof, checkpoint }))).status).toBe(422);
    }
  });

  test.each([
    ['nothing', ''],
    ['no empty line', 'old 0\n'],
    ['no old size', '\n\n'],
    ['a leading zero', 'old 00\n\nCHECKPOINT'],
    ['a size beyond 2^53', 'old 9007199254740993\n\nCHECKPOINT'],
    ['a proof line that is no hash', 'old 0\nAAAA\n\nCHECKPOINT'],
    ['64 proof lines', `old 0\n${`${hash}\n`.repeat(64)}\nCHECKPOINT`],
    ['an old size above that of the checkpoint', 'old 4\n\nCHECKPOINT'],
    ['no checkpoint', 'old 0\n\n'],
    ['a note that is no checkpoint', 'old 0\n\nhello\n\n— a AAAAAAAA\n'],
    ['two empty lines', 'old 0\n\n\nCHECKPOINT'],
    ['a body above the cap', `old 0\n\n${'x'.repeat(135_169)}`],
  ])('400: %s', async (_, body) => {
    expect((await at.post(body.replace('CHECKPOINT', readers[0].checkpoint))).status).toBe(400);
  });

  test('a request that is none has a code, which says the part', () => {
    expect(() => parseAddCheckpoint(utf8('old 0\n'))).toThrow(
      expect.objectContaining({ code: 'WITNESS_REQUEST_MALFORMED', fields: { part: 'no empty line' } }),
    );
  });

  test('one byte changed anywhere in a request is never cosigned, and never stops the witness', async () => {
    await at.post(toBody(readers[0], 0));
    const body = toBody(readers[1], 3);
    for (let i = 0; i < body.length; i += 1) {
      for (const change of [1, 0x80, body[i] ^ 0x0a]) {
        const forged = body.slice();
        forged[i] ^= change;
        if (change !== 0) expect([400, 403, 404, 409, 422]).toContain((await at.post(forged)).status);
      }
    }
    expect(at.troubles).toEqual([]);
    expect((await at.post(body)).status).toBe(200);
  });

  test('other paths are 404, other methods 405', async () => {
    const handler = createWitnessHandler({ witness: at.witness, onTrouble: () => undefined, onFork: () => undefined });
    const request = {
      method: 'GET',
      path: '/add-checkpoint',
      query: '',
      headers: {},
      body: utf8(''),
      remoteAddress: '',
    };
    expect(toPosted(await handler(request)).status).toBe(405);
    expect(toPosted(await handler({ ...request, path: '/' })).status).toBe(404);
  });
});

describe('what a witness remembers', () => {
  test('goes on after a restart; the same checkpoint gets a new time, but not at each request', async () => {
    const first = await at.post(toBody(readers[1], 0));
    expect(await at.post(toBody(readers[1], 8))).toEqual(first);
    at.witness.close();
    at = await openTestWitness(storage);
    expect(await at.post(toBody(readers[1], 8))).toEqual(first);
    at.clock.advance(60_000);
    const later = await at.post(toBody(readers[1], 8));
    expect(later.status).toBe(200);
    expect(later.text).not.toBe(first.text);
    expect((await at.post(toBody(readers[2], 3))).text).toBe('8\n');
  });

  test('no second process serves it while one does', async () => {
    await expect(openTestWitness(storage, { lock: at.lock })).rejects.toThrow(coded('WITNESS_LOCKED'));
    at.witness.close();
    const next = await openTestWitness(storage, { lock: at.lock });
    expect((await next.post(toBody(readers[0], 0))).status).toBe(200);
  });

  test('one that was taken for dead and was replaced gives no cosignature', async () => {
    await at.post(toBody(readers[0], 0));
    at.lock.steal();
    const second = await openTestWitness(storage, { lock: at.lock });
    expect((await at.post(toBody(readers[1], 3))).status).toBe(503);
    expect(at.troubles).toEqual(['WITNESS_REPLACED']);
    expect((await second.post(toBody(readers[2], 3))).status).toBe(200);
    // Even with a lock that never notices, the file shows that another one was here.
    at.lock.steal();
    expect((await at.post(toBody(readers[1], 3))).status).toBe(503);
    expect(at.troubles.at(-1)).toBe('WITNESS_STATE_CORRUPT');
  });

  test('a folder that is put back under it is noticed', async () => {
    await at.post(toBody(readers[0], 0));
    const older = storage.read(statePath());
    await at.post(toBody(readers[1], 3));
    replace(statePath(), older);
    expect((await at.post(toBody(readers[2], 3))).status).toBe(503);
    expect(at.troubles).toEqual(['WITNESS_STATE_CORRUPT']);
  });

  test.each([
    ['is empty', () => new Uint8Array()],
    ['lacks the cosignature', () => utf8(readers[1].checkpoint)],
    ['is of another size', (bytes: Uint8Array) => utf8(Buffer.from(bytes).toString('utf8').replace('\n8\n', '\n3\n'))],
  ])('a stored checkpoint that %s stops it, for this log alone', async (_, change) => {
    const signer = testSigner('example.test/second');
    addLog({ storage, folder: WITNESS_FOLDER }, { origin: signer.name, keys: [signer] });
    await at.post(toBody(readers[1], 0));
    at.witness.close();
    const path = storage
      .list(LOG_FOLDER)
      .map((id) => `${LOG_FOLDER}/${id}/checkpoint`)
      .find((name) => storage.exists(name))!;
    replace(path, change(storage.read(path)));
    at = await openTestWitness(storage);
    expect((await at.post(toBody(readers[2], 8))).status).toBe(503);
    expect(at.troubles).toEqual(['WITNESS_STATE_CORRUPT']);
    const checkpoint = signCheckpoint({ size: 1, root: new Uint8Array(32) }, signer);
    expect((await at.post(encodeAddCheckpoint({ oldSize: 0, proof: [], checkpoint }))).status).toBe(200);
  });

  test('a clock that went back a little gives the last time again; further back it gives nothing', async () => {
    at.clock.advance(600_000);
    const before = Math.floor(at.clock.nowMs() / 1000);
    await at.post(toBody(readers[0], 0));
    at.clock.advance(-60_000);
    const { text } = await at.post(toBody(readers[1], 3));
    const note = parseNote(utf8(`${readers[1].checkpoint}${text}`));
    expect(findCosignature(note, parseCosignerKey(at.witness.verifierKey))?.timeSeconds).toBe(before);
    at.clock.advance(-1000);
    expect((await at.post(toBody(readers[2], 8))).status).toBe(503);
    expect(at.troubles).toEqual(['WITNESS_CLOCK_BACK']);
  });

  test('a disk that fails: no cosignature, and the operator is told', async () => {
    let isFull = true;
    const syncFolder = (path: string): void => {
      if (isFull) throw new SourceError('WRITE_FAILED');
      storage.syncFolder(path);
    };
    at.witness.close();
    at = await openTestWitness({ ...storage, syncFolder });
    expect((await at.post(toBody(readers[0], 0))).status).toBe(503);
    isFull = false;
    // The file may have its new name already; that it outlives a power cut is not known.
    expect((await at.post(toBody(readers[0], 3))).status).toBe(503);
    expect(at.troubles).toEqual(['WITNESS_WRITE_FAILED', 'WITNESS_WRITE_FAILED']);
    at.witness.close();
    at = await openTestWitness(storage);
    expect((await at.post(toBody(readers[0], 3))).status).toBe(200);
  });
});

describe('cut off after any storage call', () => {
  test('what left is on disk, and no two trees of one size are ever cosigned', async () => {
    const bodies = [toBody(readers[0], 0), toBody(readers[1], 3), toBody(readers[2], 8)];
    const before = storage.opCount();
    const given: { readonly ops: number; readonly size: number }[] = [];
    for (const [i, body] of bodies.entries()) {
      expect((await at.post(body)).status).toBe(200);
      given.push({ ops: storage.opCount(), size: readers[i].head.size });
    }
    const kinds = ['keep', 'drop', 'drop-content', 'drop-names'] as const;
    for (let count = before; count <= storage.opCount(); count += 1) {
      for (const kind of kinds) {
        const after = await openTestWitness(storage.crashAfter(count, { kind }));
        const known = Number((await after.post(toBody(readers[2], 1))).text);
        const promised = given.filter(({ ops }) => ops <= count).at(-1)?.size ?? 0;
        expect(known).toBeGreaterThanOrEqual(promised);
        expect([0, 3, 8, 13]).toContain(known);
        const fork = signCheckpoint({ size: Math.max(known, 1), root: new Uint8Array(32).fill(9) }, key);
        const status = (await after.post(encodeAddCheckpoint({ oldSize: known, proof: [], checkpoint: fork }))).status;
        // Nothing was cosigned yet: the first checkpoint that is sent is believed.
        expect(status).toBe(known === 0 ? 200 : 409);
        expect(after.troubles).toEqual([]);
      }
    }
  });

  test('what a killed process renamed is durable before it is answered from', async () => {
    await at.post(toBody(readers[0], 0));
    const before = storage.opCount();
    await at.post(toBody(readers[1], 3));
    for (let count = before; count <= storage.opCount(); count += 1) {
      const killed = storage.killedAfter(count);
      const next = await openTestWitness(killed);
      const known = Number((await next.post(toBody(readers[2], 1))).text);
      const again = await next.post(toBody(known === 8 ? readers[1] : readers[0], known));
      expect(again.status).toBe(200);
      const after = await openTestWitness(killed.crashAfter(killed.opCount(), { kind: 'drop' }));
      expect((await after.post(toBody(readers[2], 1))).text).toBe(`${known}\n`);
    }
  });
});

describe('the folder', () => {
  const place = () => ({ storage, folder: WITNESS_FOLDER });

  test('a witness, and a log of one origin, are made once', () => {
    const again = { ...place(), name: 'another.example', random: testRandom(6) };
    const before = readCosigner(place());
    expect(() => {
      createWitnessFolder(again);
    }).toThrow(coded('WITNESS_EXISTS'));
    expect(readCosigner(place()).publicKey).toEqual(before.publicKey);
    expect(() => {
      addLog(place(), { origin: key.name, keys: [testSigner('x')] });
    }).toThrow(coded('WITNESS_EXISTS'));
    expect(listLogs(place()).map(({ origin, keys }) => [origin, keys[0].name])).toEqual([[key.name, key.name]]);
  });

  test('a log that is added while it serves is taken at once, with an origin that is not the name of its keys', async () => {
    const keys = [testSigner('a.example'), testSigner('b.example')];
    const body = `b.example/any origin\n1\n${hash}\n`;
    const { signNote } = await import('../index.ts');
    const request = `old 0\n\n${signNote(body, keys[1])}`;
    expect((await at.post(request)).status).toBe(404);
    addLog(place(), { origin: 'b.example/any origin', keys });
    expect((await at.post(request)).status).toBe(200);
  });

  test('no witness, and a key that is none', async () => {
    const empty = createRecordingStorage(['/home', WITNESS_FOLDER]);
    await expect(openTestWitness(empty)).rejects.toThrow(coded('WITNESS_NOT_FOUND'));
    expect(() => {
      addLog({ storage: empty, folder: WITNESS_FOLDER }, { origin: 'x', keys: [key] });
    }).toThrow(coded('WITNESS_NOT_FOUND'));
    replace(`${WITNESS_FOLDER}/key`, utf8('x'.repeat(80)));
    expect(() => readCosigner(place())).toThrow(coded('WITNESS_KEY_MALFORMED'));
    expect(() => {
      createWitnessFolder({ storage: empty, folder: WITNESS_FOLDER, name: 'a b', random: testRandom(6) });
    }).toThrow(coded('LEDGER_KEY_MALFORMED'));
  });

  test('a list of keys that cannot be read stops the log', async () => {
    const [id] = storage.list(LOG_FOLDER);
    replace(`${LOG_FOLDER}/${id}/log`, utf8('another origin\nno key\n'));
    expect((await at.post(toBody(readers[0], 0))).status).toBe(503);
  });
});
