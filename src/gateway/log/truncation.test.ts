/** Whoever can write the database takes the newest rows out: what is told of the end of a stream is what was signed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeLogSigner } from '../../../test/gateway/log-signer.ts';
import { openDatabase } from '../../adapters/database/index.ts';
import { openSpoolFolder } from '../../adapters/request-spool/index.ts';
import { systemPause } from '../../adapters/system/index.ts';
import type { Database } from '../../core/database.ts';
import { sha256 } from '../../core/hash.ts';
import type { LogRow } from '../ports.ts';
import { createSpoolLog, GATEWAY_LOG_AREA, type LogTables, openLogWriter, verifyLog } from './index.ts';

const STREAM = 's';
const NOON_MS = Date.UTC(2026, 10, 21, 12);
const toRow = (n: number): LogRow => ({
  ...{ timeMs: NOON_MS + n, requestId: `r-${n}`, principalId: 'key:k_1', tenant: 't', model: 'm', version: '1' },
  ...{ protocol: 'oip', status: 200, code: null, isInputKeyed: false, inputHash: sha256(Uint8Array.of(n)) },
  ...{ tensorHash: null, answerHash: null, items: 1, inputBytes: 1, answerBytes: 1, durationUs: n },
});

const signer = makeLogSigner();

let root: string;
let database: Database<LogTables>;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'log-truncation-'));
  const address = { kind: 'sqlite', path: join(root, 'log.db') } as const;
  database = await openDatabase<LogTables>({ address, area: GATEWAY_LOG_AREA, pause: systemPause, passfile: null });
});
afterEach(async () => {
  await database.close();
  rmSync(root, { recursive: true });
});

/** Two rows and a checkpoint, two more and the last one. */
async function fill(): Promise<void> {
  const folder = openSpoolFolder(join(root, STREAM));
  const log = createSpoolLog({ stream: STREAM, folder, movedTo: () => null });
  const clock = { nowMs: () => NOON_MS };
  const writer = await openLogWriter({ database, stream: STREAM, folder, signer, clock, onMoved: () => undefined });
  for (const isLast of [false, true]) {
    for (const n of [0, 1]) log.append(toRow(n));
    await writer.move();
    await writer.checkpoint(isLast);
  }
  log.close();
}

/** The stream as it was behind its first checkpoint, but for the word that it has ended. */
async function cutTail(): Promise<void> {
  await database.write(async (db) => {
    const [{ name }] = await db.selectFrom('gateway_partitions').select('name').execute();
    await db
      .deleteFrom(name as 'gateway_requests_20261121')
      .where('place', '>=', 2)
      .execute();
    await db.deleteFrom('gateway_checkpoints').where('seq', '=', 1).execute();
    await db.updateTable('gateway_streams').set({ next_place: 2, covered: 2, checkpoints: 1 }).execute();
  });
}

const verify = async () => {
  const { streams, faults } = await verifyLog({
    ...{ database, keys: new Map([[signer.keyId, signer.publicKey]]), anchors: new Map() },
  });
  return { ...streams[0], faults: faults.length };
};

test('a stream that was cut off has not ended in order, whatever its row says', async () => {
  await fill();
  expect(await verify()).toMatchObject({ rows: 4, isEnded: true, faults: 0 });
  await cutTail();
  expect(await verify()).toMatchObject({ rows: 2, isEnded: false });
});

test('nor has one whose last checkpoint is signed by nobody, or has rows behind it', async () => {
  await fill();
  const strangers = await verifyLog({ database, keys: new Map(), anchors: new Map() });
  expect(strangers.streams[0].isEnded).toBe(false);
  await database.write(async (db) => {
    const [{ name }] = await db.selectFrom('gateway_partitions').select('name').execute();
    const table = name as 'gateway_requests_20261121';
    const last = await db.selectFrom(table).selectAll().where('place', '=', 3).executeTakeFirstOrThrow();
    await db
      .insertInto(table)
      .values({ ...last, place: 4 })
      .execute();
  });
  expect((await verify()).isEnded).toBe(false);
});
