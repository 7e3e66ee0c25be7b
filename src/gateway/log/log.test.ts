/** The log from spool to proof, on a real database: what is lost, changed or left out is told. */
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeLogSigner } from '../../../test/gateway/log-signer.ts';
import { openDatabase } from '../../adapters/database/index.ts';
import { openSpoolFolder } from '../../adapters/request-spool/index.ts';
import { systemPause } from '../../adapters/system/index.ts';
import { toHex } from '../../core/bytes.ts';
import type { Database } from '../../core/database.ts';
import { DatabaseError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { LogRow } from '../ports.ts';
import {
  createSpoolLog,
  GATEWAY_LOG_AREA,
  type LogTables,
  type LogWriter,
  openLogWriter,
  proveRow,
  queryLog,
  retainDays,
  runLogWriter,
  type SpoolMark,
  verifyLog,
  verifyRequestProof,
} from './index.ts';
import { encodeRow, findRow, ROW_BYTES_MAX } from './row.ts';

const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2026, 10, 21, 12);

const toRow = (n: number, change: Partial<LogRow> = {}): LogRow => ({
  timeMs: NOON_MS + n,
  requestId: `r-${n}`,
  principalId: `key:k_${n % 3}`,
  tenant: 'acme',
  model: 'digits',
  version: '1',
  protocol: 'oip',
  status: 200,
  code: null,
  isInputKeyed: false,
  inputHash: sha256(Uint8Array.of(n % 250)),
  tensorHash: n % 2 === 0 ? sha256(Uint8Array.of(n % 250, 1)) : null,
  answerHash: n % 5 === 0 ? null : sha256(Uint8Array.of(n % 250, 2)),
  items: 1 + (n % 4),
  inputBytes: 100 + n,
  answerBytes: 50,
  durationUs: 300,
  ...change,
});

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'gateway-log-'));
});
afterAll(() => {
  rmSync(root, { recursive: true });
});
const opened: Database<LogTables>[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close()));
});

const signer = makeLogSigner();
const keys = new Map([[signer.keyId, signer.publicKey]]);
let names = 0;

async function openAll() {
  const folder = join(root, String(names++));
  const spool = openSpoolFolder(folder);
  const address = { kind: 'sqlite', path: join(folder, 'log.db') } as const;
  const options = { address, area: GATEWAY_LOG_AREA, pause: systemPause, passfile: null };
  const database = await openDatabase<LogTables>(options);
  opened.push(database);
  const clock = { ms: NOON_MS, nowMs: () => clock.ms };
  let moved: SpoolMark | null = null;
  const openWriter = (stream: string, by: Database<LogTables> = database): Promise<LogWriter> =>
    openLogWriter({ database: by, stream, folder: spool, signer, clock, onMoved: (mark) => (moved = mark) });
  const openLog = (stream: string, change: object = {}) =>
    createSpoolLog({ stream, folder: spool, movedTo: () => moved, ...change });
  const verify = (anchors: [string, string[]][] = []) => verifyLog({ database, keys, anchors: new Map(anchors) });
  return { folder, spool, database, clock, openWriter, openLog, verify };
}

async function moveAll(writer: LogWriter): Promise<number> {
  let total = 0;
  for (let count = await writer.move(); count > 0; count = await writer.move()) total += count;
  return total;
}

/** A stream of 120 rows with checkpoints behind 50 and at its end. */
async function fill(all: Awaited<ReturnType<typeof openAll>>, stream = 's') {
  const log = all.openLog(stream);
  const writer = await all.openWriter(stream);
  for (let n = 0; n < 50; n++) log.append(toRow(n));
  await moveAll(writer);
  await writer.checkpoint(false);
  for (let n = 50; n < 120; n++) log.append(toRow(n));
  await moveAll(writer);
  log.close();
  return (await writer.checkpoint(true))!;
}

describe('a row', () => {
  test('has bytes that give it back, and none that are cut or longer do', () => {
    const into = Buffer.alloc(ROW_BYTES_MAX);
    for (const row of [
      toRow(0),
      toRow(1),
      toRow(5, { code: 'GATEWAY_MODEL_FAILED', isInputKeyed: true, tenant: 'Łódź 🦉' }),
    ]) {
      const bytes = Uint8Array.from(into.subarray(0, encodeRow(row, into)));
      expect(findRow(bytes)).toEqual(row);
      for (let cut = 0; cut < bytes.length; cut++) expect(findRow(bytes.subarray(0, cut))).toBeNull();
      expect(findRow(Uint8Array.of(...bytes, 0))).toBeNull();
    }
  });

  test('of a text beyond 65,535 bytes is refused, whatever its characters take', () => {
    const into = Buffer.alloc(ROW_BYTES_MAX);
    expect(findRow(into.subarray(0, encodeRow(toRow(1, { tenant: 'ü'.repeat(32_767) }), into)))?.tenant).toHaveLength(
      32_767,
    );
    expect(() => encodeRow(toRow(1, { tenant: 'ü'.repeat(32_768) }), into)).toThrow(
      expect.objectContaining({ code: 'GATEWAY_LOG_FAILED' }),
    );
  });
});

describe('the log', () => {
  test('loses no row that is written, with a file behind it, between two looks at the spool', async () => {
    const all = await openAll();
    // Two rows of a file.
    const rowBytes = 8 + encodeRow(toRow(0), Buffer.alloc(ROW_BYTES_MAX));
    const log = all.openLog('s', { segmentBytes: rowBytes + 1 });
    let isLate = true;
    // The writer has read nothing, and stands still while the last row of the file and the first of the next one come.
    const read = (...asked: Parameters<typeof all.spool.read>): Uint8Array => {
      const bytes = all.spool.read(...asked);
      if (bytes.length > 0 || !isLate) return bytes;
      isLate = false;
      log.append(toRow(1));
      log.append(toRow(2));
      return bytes;
    };
    const late = { ...all.spool, read };
    const { database, clock } = all;
    const writer = await openLogWriter({
      database,
      stream: 's',
      folder: late,
      signer,
      clock,
      onMoved: () => undefined,
    });
    log.append(toRow(0));
    for (let n = 0; n < 5; n++) await writer.move();
    log.close();
    await writer.checkpoint(true);
    const { faults, streams } = await all.verify();
    expect([faults, streams[0].rows]).toEqual([[], 3]);
  });

  test('has every row in its place, chained and signed, and the spool is emptied', async () => {
    const all = await openAll();
    const last = await fill(all);
    expect(last.checkpoint).toMatchObject({ from: 50, to: 120, seq: 1, isLast: true });
    const { streams, faults } = await all.verify();
    expect(faults).toEqual([]);
    expect(streams).toEqual([
      { stream: 's', rows: 120, next: 120, dropped: 0, checkpoints: 2, anchored: 0, covered: 120, isEnded: true },
    ]);
  });

  test('goes over many files, and removes those that were moved', async () => {
    const all = await openAll();
    const log = all.openLog('s', { segmentBytes: 1000 });
    for (let n = 0; n < 100; n++) log.append(toRow(n));
    expect(all.spool.list().length).toBeGreaterThan(10);
    expect(await moveAll(await all.openWriter('s'))).toBe(100);
    expect(all.spool.list()).toHaveLength(1);
    expect((await all.verify()).faults).toEqual([]);
  });

  test('a writer that is ended at any moment is followed by one that goes on: no row twice, none lost', async () => {
    const all = await openAll();
    const log = all.openLog('s', { segmentBytes: 2000 });
    for (let round = 0; round < 12; round++) {
      for (let n = 0; n < 20; n++) log.append(toRow(round * 20 + n));
      const writer = await all.openWriter('s');
      if (round % 3 !== 0) await writer.move();
      if (round % 4 === 1) await writer.checkpoint(false);
    }
    const writer = await all.openWriter('s');
    await moveAll(writer);
    await writer.checkpoint(true);
    const { streams, faults } = await all.verify();
    expect([streams[0].rows, streams[0].covered, faults]).toEqual([240, 240, []]);
  });

  test('a record that a kill cut off was never answered: it is passed over, and what follows has its place', async () => {
    const all = await openAll();
    const log = all.openLog('s');
    for (let n = 0; n < 10; n++) log.append(toRow(n));
    log.close();
    const [name] = all.spool.list();
    const { length } = all.spool.read(name, 0, 1e6);
    truncateSync(join(all.folder, name), length - 7);
    const writer = await all.openWriter('s');
    expect(await moveAll(writer)).toBe(9);
    await writer.checkpoint(true);
    expect((await all.verify()).streams[0]).toMatchObject({ rows: 9, covered: 9, isEnded: true });
  });

  test.each([
    ['with files behind it', 1000, 1],
    ['in the last file', 1_000_000, 0],
  ])('a record that a disk has damaged, %s: the file stays, what is behind it in there is told to be missing, the rest is moved', async (_, segmentBytes, gaps) => {
    const all = await openAll();
    const log = all.openLog('s', { segmentBytes });
    for (let n = 0; n < 20; n++) log.append(toRow(n));
    log.close();
    const [name, ...others] = all.spool.list();
    const bytes = all.spool.read(name, 0, 1e6);
    const second = 8 + Buffer.from(bytes).readUInt32BE(0);
    const damaged = Buffer.from(bytes).fill(0, second + 20, second + 30);
    writeFileSync(join(all.folder, name), damaged);
    const end = () =>
      runLogWriter({
        ...{ open: () => all.openWriter('s'), clock: all.clock, pause: () => Promise.resolve() },
        ...{ ending: AbortSignal.abort(), isOrderly: true, onCheckpoint: () => undefined, onTrouble: () => undefined },
      });
    expect(await end()).toBe(false);
    expect(all.spool.read(name, 0, 1e6)).toEqual(new Uint8Array(damaged));
    const { streams, faults } = await all.verify();
    expect([streams[0].rows > 1, streams[0].covered]).toEqual(others.length > 0 ? [true, 20] : [false, 1]);
    expect(faults).toHaveLength(gaps);
    writeFileSync(join(all.folder, name), '');
    expect(await end()).toBe(true);
  });

  test('a disk that fails refuses the row, and the next row is whole', async () => {
    const all = await openAll();
    let isFull = false;
    const folder = {
      ...all.spool,
      create: (name: string) => {
        const file = all.spool.create(name);
        return {
          ...file,
          append: (bytes: Uint8Array) => {
            file.append(isFull ? bytes.subarray(0, 20) : bytes);
            if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
          },
        };
      },
    };
    const log = all.openLog('s', { folder });
    log.append(toRow(0));
    isFull = true;
    expect(() => log.append(toRow(1))).toThrow(
      expect.objectContaining({ code: 'GATEWAY_LOG_FAILED', fields: { reason: 'ENOSPC' } }),
    );
    isFull = false;
    expect(log.append(toRow(2))).toEqual({ stream: 's', index: 1 });
    expect(await moveAll(await all.openWriter('s'))).toBe(2);
  });

  test('when the database does not keep up, rows are refused, and taken again when it has', async () => {
    const all = await openAll();
    const log = all.openLog('s', { spoolBytesMax: 2000 });
    let count = 0;
    const append = (): void => void log.append(toRow(count++));
    expect(() => {
      for (;;) append();
    }).toThrow(expect.objectContaining({ code: 'GATEWAY_LOG_FULL' }));
    await moveAll(await all.openWriter('s'));
    append();
  });

  test('a commit of which nobody heard leaves no bytes that seem to wait for ever', async () => {
    const all = await openAll();
    const log = all.openLog('s', { segmentBytes: 1000 });
    for (let n = 0; n < 20; n++) log.append(toRow(n));
    let isDeaf = false;
    const write: typeof all.database.write = async (work) => {
      const result = await all.database.write(work);
      if (isDeaf) throw new DatabaseError('DATABASE_UNREACHABLE');
      return result;
    };
    const first = await all.openWriter('s', { ...all.database, write });
    isDeaf = true;
    await expect(first.move()).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    await moveAll(await all.openWriter('s'));
    expect(log.waitingBytes).toBe(0);
    log.append(toRow(20));
    expect(log.waitingBytes).toBeGreaterThan(0);
    expect((await all.verify()).streams[0]).toMatchObject({ rows: 20 });
  });

  test('what can never be moved is given up after so many tries, where that is asked for', async () => {
    const all = await openAll();
    const told: string[] = [];
    const given = runLogWriter({
      ...{ open: () => Promise.reject(new TypeError('no row')), clock: all.clock, pause: () => Promise.resolve() },
      ...{ ending: AbortSignal.abort(), isOrderly: false, triesMax: 3, onCheckpoint: () => undefined },
      onTrouble: (code) => told.push(code),
    });
    await expect(given).rejects.toThrow('no row');
    expect(told).toHaveLength(2);
  });

  test('rows are found by key, tenant, time, hash, status and request, over days', async () => {
    const all = await openAll();
    const log = all.openLog('s');
    for (let n = 0; n < 30; n++)
      log.append(toRow(n, { timeMs: NOON_MS + Math.floor(n / 10) * DAY_MS, status: n === 7 ? 429 : 200 }));
    await moveAll(await all.openWriter('s'));
    const find = async (query: object): Promise<number[]> => {
      const places: number[] = [];
      for await (const { place } of queryLog(all.database, query)) places.push(place);
      return places;
    };
    expect(await find({})).toHaveLength(30);
    expect(await find({ principal: 'key:k_1', untilMs: NOON_MS + DAY_MS })).toEqual([1, 4, 7]);
    expect(await find({ sinceMs: NOON_MS + DAY_MS, untilMs: NOON_MS + 2 * DAY_MS })).toEqual(
      [...Array(10).keys()].map((n) => n + 10),
    );
    expect(await find({ status: 429 })).toEqual([7]);
    expect(await find({ requestId: 'r-22' })).toEqual([22]);
    expect(await find({ inputHash: toHex(sha256(Uint8Array.of(4))) })).toEqual([4]);
    expect(await find({ inputHash: toHex(sha256(Uint8Array.of(4, 1))) })).toEqual([4]);
    expect(await find({ tenant: "x' or '1'='1" })).toEqual([]);
  });

  test('a day that is older than is kept is dropped whole, and the rest is still proven', async () => {
    const all = await openAll();
    const log = all.openLog('s');
    const writer = await all.openWriter('s');
    for (let n = 0; n < 90; n++) log.append(toRow(n, { timeMs: NOON_MS + Math.floor(n / 30) * DAY_MS }));
    await moveAll(writer);
    const options = { days: 1, nowMs: NOON_MS + 3 * DAY_MS };
    expect(await retainDays(all.database, { ...options, isDryRun: false })).toEqual([]);
    await writer.checkpoint(false);
    expect(await retainDays(all.database, { ...options, isDryRun: true })).toEqual([
      { day: 20_261_121, rows: 30 },
      { day: 20_261_122, rows: 30 },
    ]);
    await retainDays(all.database, { ...options, days: 2, isDryRun: false });
    for (let n = 90; n < 95; n++) log.append(toRow(n, { timeMs: NOON_MS + 3 * DAY_MS }));
    await moveAll(writer);
    await writer.checkpoint(true);
    const { streams, faults } = await all.verify();
    expect(faults).toEqual([]);
    expect(streams[0]).toMatchObject({ rows: 65, dropped: 30, next: 95 });
  });

  test('a clock that goes back does not change the order of rows', async () => {
    const all = await openAll();
    const log = all.openLog('s');
    const writer = await all.openWriter('s');
    for (const timeMs of [NOON_MS + DAY_MS, NOON_MS, NOON_MS + DAY_MS, NOON_MS - DAY_MS])
      log.append(toRow(0, { timeMs }));
    await moveAll(writer);
    await writer.checkpoint(true);
    expect((await all.verify()).faults).toEqual([]);
  });
});

describe('what was changed in the database', () => {
  const TABLE = sql.raw('gateway_requests_20261121');

  test.each([
    ['a value', sql`update ${TABLE} set status = 500 where place = 70`, ['chain 70', 'checkpoint-root 1']],
    [
      'a hash that is none',
      sql`update ${TABLE} set input_hash = 'x' where place = 70`,
      ['row 70', 'chain 70', 'checkpoint-root 1'],
    ],
    ['a row taken out', sql`delete from ${TABLE} where place = 70`, ['gap 70', 'chain 71', 'checkpoint-root 1']],
    ['rows taken off the end', sql`delete from ${TABLE} where place >= 119`, ['checkpoint-root 1', 'missing-rows 119']],
    [
      'two rows exchanged',
      sql`update ${TABLE} set request_id = case place when 3 then 'r-4' else 'r-3' end where place in (3, 4)`,
      ['chain 3', 'chain 4', 'checkpoint-root 0'],
    ],
    [
      'a checkpoint taken out',
      sql`delete from gateway_checkpoints where seq = 0`,
      ['checkpoint-order 1', 'checkpoint-root 1'],
    ],
    [
      'a checkpoint of other words',
      sql`update gateway_checkpoints set body = replace(body, '"to":50', '"to":51') where seq = 0`,
      ['checkpoint-signature 0', 'checkpoint-root 0', 'chain 50', 'checkpoint-order 1', 'checkpoint-root 1'],
    ],
    [
      'a checkpoint that is none',
      sql`update gateway_checkpoints set body = '{}' where seq = 0`,
      ['checkpoint 0', 'checkpoint-order 1', 'checkpoint-root 1'],
    ],
    [
      'a signature of another',
      sql`update gateway_checkpoints set signature = (select signature from gateway_checkpoints where seq = 1) where seq = 0`,
      ['checkpoint-signature 0'],
    ],
    ['a key that is not known', sql`update gateway_checkpoints set key_id = 'x' where seq = 1`, ['checkpoint-key 1']],
  ] as const)('%s is told, with its place', async (_name, change, expected) => {
    const all = await openAll();
    await fill(all);
    await all.database.write((db) => change.execute(db));
    const { faults } = await all.verify();
    expect(faults.map(({ kind, place }) => `${kind} ${place}`)).toEqual(expected);
  });

  test('a log that was written anew by who has the database is not what the ledger has', async () => {
    const all = await openAll();
    const { body } = await fill(all);
    const hash = toHex(sha256(new TextEncoder().encode(body)));
    expect((await all.verify([['s', [hash]]])).streams[0].anchored).toBe(120);
    const other = await openAll();
    await fill(other);
    await other.database.write((db) => sql`delete from gateway_checkpoints`.execute(db));
    expect((await other.verify([['s', [hash]]])).faults.map(({ kind }) => kind)).toContain('anchor');
    expect((await (await openAll()).verify([['s', [hash]]])).faults).toEqual([
      { kind: 'anchor', stream: 's', place: 0 },
    ]);
  });
});

describe('a proof of a row', () => {
  test('holds with the public key alone, for every row of a checkpoint', async () => {
    const all = await openAll();
    await fill(all);
    for (const index of [0, 1, 49, 50, 83, 119]) {
      const proof = await proveRow(all.database, { stream: 's', index });
      const proven = verifyRequestProof(JSON.parse(JSON.stringify(proof)), signer.publicKey);
      expect(proven).toEqual({ row: toRow(index), stream: 's', index, keyId: signer.keyId, signedMs: NOON_MS });
    }
  });

  test('is refused when anything in it was changed, or the key is another', async () => {
    const all = await openAll();
    await fill(all);
    const proof = await proveRow(all.database, { stream: 's', index: 7 });
    const codeOf = (input: object, key = signer.publicKey): string => {
      try {
        verifyRequestProof(input, key);
        return 'none';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const other = await proveRow(all.database, { stream: 's', index: 8 });
    expect(codeOf({ ...proof, row: other.row })).toBe('GATEWAY_PROOF_REFUTED');
    expect(codeOf({ ...proof, index: 8 })).toBe('GATEWAY_PROOF_REFUTED');
    expect(codeOf({ ...proof, path: proof.path.slice(1) })).toBe('GATEWAY_PROOF_REFUTED');
    expect(codeOf({ ...proof, checkpoint: proof.checkpoint.replace('"to":50', '"to":60') })).toBe(
      'GATEWAY_PROOF_SIGNATURE',
    );
    expect(codeOf(proof, makeLogSigner().publicKey)).toBe('GATEWAY_PROOF_SIGNATURE');
    for (const bad of [
      { ...proof, row: '!' },
      { ...proof, path: ['AA=='] },
      { ...proof, v: 2 },
      { ...proof, checkpoint: '{' },
    ]) {
      expect(codeOf(bad)).toBe('GATEWAY_PROOF_MALFORMED');
    }
  });

  test('is not given for a row without checkpoint, nor one that is not there', async () => {
    const all = await openAll();
    const log = all.openLog('s');
    log.append(toRow(0));
    await moveAll(await all.openWriter('s'));
    await expect(proveRow(all.database, { stream: 's', index: 0 })).rejects.toMatchObject({
      code: 'GATEWAY_LOG_ROW_UNCOVERED',
    });
    const other = await openAll();
    await fill(other);
    await other.database.write((db) => sql`delete from gateway_requests_20261121 where place = 3`.execute(db));
    await expect(proveRow(other.database, { stream: 's', index: 5 })).rejects.toMatchObject({
      code: 'GATEWAY_LOG_ROW_UNKNOWN',
    });
  });
});

test('a writer outlives a database that fails, and ends with all rows and the last checkpoint', async () => {
  const all = await openAll();
  const log = all.openLog('s');
  const ending = new AbortController();
  const troubles: string[] = [];
  let isFailing = true;
  const run = runLogWriter({
    open: async () => {
      const writer = await all.openWriter('s');
      const move = async () => {
        if (isFailing && (await writer.move()) > 0) throw new Error('the line broke');
        return writer.move();
      };
      return { ...writer, move };
    },
    clock: all.clock,
    pause: (ms, signal) => {
      all.clock.ms += ms;
      return systemPause(1, signal);
    },
    ending: ending.signal,
    isOrderly: true,
    onCheckpoint: () => undefined,
    onTrouble: (code) => {
      troubles.push(code);
      isFailing = troubles.length < 3;
    },
  });
  for (let n = 0; n < 600; n++) {
    log.append(toRow(n));
    if (n % 100 === 0) await systemPause(5);
  }
  ending.abort();
  await run;
  expect(troubles.length).toBeGreaterThanOrEqual(1);
  const { streams, faults } = await all.verify();
  expect(faults).toEqual([]);
  expect(streams[0]).toMatchObject({ rows: 600, covered: 600, isEnded: true });
});

test('files of other names in the folder are left alone', async () => {
  const all = await openAll();
  writeFileSync(join(all.folder, 'notes.spool'), 'x');
  all.openLog('s').append(toRow(0));
  await moveAll(await all.openWriter('s'));
  expect(readdirSync(all.folder)).toContain('notes.spool');
});
