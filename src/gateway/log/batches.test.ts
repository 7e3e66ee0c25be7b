/** Many rows at once, in both databases: transactions, statements and days of any size give the same log. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPostgres, describeWithPostgres, type Postgres } from '../../../test/postgres.ts';
import { makeLogSigner } from '../../../test/gateway/log-signer.ts';
import { type DatabaseAddress, openDatabase, parseDatabaseAddress } from '../../adapters/database/index.ts';
import { openSpoolFolder } from '../../adapters/request-spool/index.ts';
import { systemPause } from '../../adapters/system/index.ts';
import { sha256 } from '../../core/hash.ts';
import type { LogRow, SpoolFolder } from '../ports.ts';
import { createSpoolLog, GATEWAY_LOG_AREA, type LogTables, openLogWriter, queryLog, verifyLog } from './index.ts';
import { findLogRow } from './rows.ts';

const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2026, 10, 21, 12);
/** One transaction's worth and one that is not full; of the second day some statements of each size. */
const ROWS = 5000;
const FIRST_DAY_ROWS = 4200;

const toRow = (n: number): LogRow => ({
  timeMs: NOON_MS + n + (n < FIRST_DAY_ROWS ? 0 : DAY_MS),
  requestId: `r-${n}`,
  ...{ principalId: `key:k_${n % 3}`, tenant: n === 300 ? "Łódź 🦉 ' $1 ?" : 't', model: 'm', version: '1' },
  ...{ protocol: 'oip', status: n % 7 === 0 ? 429 : 200, code: n % 7 === 0 ? 'GATEWAY_RATE_LIMITED' : null },
  ...{ isInputKeyed: n % 2 === 0, inputHash: sha256(Uint8Array.of(n % 256)) },
  ...{ tensorHash: n % 3 === 0 ? null : sha256(Uint8Array.of(n % 256, 1)), answerHash: null },
  ...{ items: 1, inputBytes: 2 ** 40 + n, answerBytes: 1, durationUs: n },
});

const signer = makeLogSigner();

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'log-batches-'));
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

function spool(stream: string, rows: readonly LogRow[]): SpoolFolder {
  const folder = openSpoolFolder(join(root, stream));
  const log = createSpoolLog({ stream, folder, movedTo: () => null });
  for (const row of rows) log.append(row);
  log.close();
  return folder;
}

async function moveAndCheck(address: DatabaseAddress, stream: string): Promise<void> {
  const folder = spool(
    stream,
    Array.from({ length: ROWS }, (_, n) => toRow(n)),
  );
  const database = await openDatabase<LogTables>({
    ...{ address, area: GATEWAY_LOG_AREA, pause: systemPause, passfile: null },
  });
  try {
    const clock = { nowMs: () => NOON_MS };
    const writer = await openLogWriter({ database, stream, folder, signer, clock, onMoved: () => undefined });
    const moves: [number, boolean][] = [];
    do moves.push([await writer.move(), writer.isBehind]);
    while (moves.at(-1)![0] > 0);
    expect(moves.map(([, isBehind]) => isBehind)).toEqual([...moves.slice(2).map(() => true), false, false]);
    expect(moves.length).toBeGreaterThan(2);
    await writer.checkpoint(true);
    const { streams, faults } = await verifyLog({
      ...{ database, keys: new Map([[signer.keyId, signer.publicKey]]), anchors: new Map() },
    });
    expect([faults, streams.map(({ rows, covered, isEnded }) => [rows, covered, isEnded])]).toEqual([
      [],
      [[ROWS, ROWS, true]],
    ]);
    const found: string[] = [];
    for await (const row of queryLog(database, {})) found.push(`${row.place} ${row.request_id} ${row.tenant}`);
    expect(found).toEqual(Array.from({ length: ROWS }, (_, n) => `${n} r-${n} ${toRow(n).tenant}`));
  } finally {
    await database.close();
  }
}

describe('thousands of rows at once', () => {
  test('are one log in SQLite, and the writer tells whether more is waiting', async () => {
    await moveAndCheck({ kind: 'sqlite', path: join(root, 'log.db') }, 'a');
  });

  const OTHER: readonly Partial<LogRow>[] = [
    {},
    { status: 503 },
    { items: 2 },
    { isInputKeyed: true },
    { tenant: 'u' },
    { model: 'n' },
    { version: '2' },
    { protocol: 'openai' },
    { code: 'GATEWAY_INTERNAL' },
    { principalId: 'key:k_9' },
    { tensorHash: null, answerHash: sha256(Uint8Array.of(9)) },
  ];
  test.each(OTHER)('that have much in common, but for one with %o, are each what they were', async (other) => {
    const alike = { ...toRow(1), timeMs: NOON_MS };
    // A statement of each size: of 256, 64, 16, 4 and 1.
    const rows = Array.from({ length: 341 }, (_, n) => ({
      ...alike,
      requestId: `r-${n}`,
      durationUs: n,
      ...(n === 100 ? other : {}),
    }));
    const stream = `c${OTHER.indexOf(other)}`;
    const folder = spool(stream, rows);
    const address = { kind: 'sqlite', path: join(root, `${stream}.db`) } as const;
    const database = await openDatabase<LogTables>({
      ...{ address, area: GATEWAY_LOG_AREA, pause: systemPause, passfile: null },
    });
    try {
      const clock = { nowMs: () => NOON_MS };
      const writer = await openLogWriter({ database, stream, folder, signer, clock, onMoved: () => undefined });
      expect(await writer.move()).toBe(341);
      const found: LogRow[] = [];
      for await (const record of queryLog(database, {})) found.push(findLogRow(record)!);
      expect(found).toEqual(rows);
    } finally {
      await database.close();
    }
  });
});

describeWithPostgres('thousands of rows at once, on a server', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await createPostgres();
  });
  afterAll(() => {
    server.remove();
  });

  test('are the same log', async () => {
    const url = server.url({ query: '?sslmode=disable' });
    await moveAndCheck(parseDatabaseAddress(url, { isPasswordAllowed: true, toAbsolute: (path) => path }), 'b');
  });
});
