import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDatabase } from '../../../adapters/database/index.ts';
import { systemPause } from '../../../adapters/system/index.ts';
import { createJournal, GATEWAY_LOG_AREA, type LogTables } from '../../../gateway/index.ts';
import { createPartition, toDay, toPartition } from '../../../gateway/log/tables.ts';
import { runRetention } from './retention.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.parse('2027-01-15T08:00:00Z');

test('looks at the start and every hour; each day that goes has its entry in the ledger first', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'retention-'));
  const address = { kind: 'sqlite', path: join(folder, 'log.db') } as const;
  const database = await openDatabase<LogTables>({
    address,
    area: GATEWAY_LOG_AREA,
    pause: systemPause,
    passfile: null,
  });
  try {
    const days = [3, 2, 1, 0].map((ago) => toDay(NOW_MS - ago * DAY_MS));
    await database.write(async (db) => {
      for (const day of days) await createPartition(db, toPartition(day));
    });
    const listDays = () =>
      database.read(async (db) =>
        (await db.selectFrom('gateway_partitions').select('day').orderBy('day').execute()).map(({ day }) => day),
      );
    const told: unknown[] = [];
    let isLedgerAway = true;
    const ending = new AbortController();
    const pauses: number[] = [];
    let journal = '';
    await runRetention({
      database,
      recorder: {
        actor: 'the owner',
        record: (entries) => {
          if (isLedgerAway) return Promise.reject(new Error('away'));
          told.push(...entries.map(({ type, subject, detail }) => [type, subject, detail]));
          return Promise.resolve({ firstIndex: 0, checkpoint: '' });
        },
      },
      days: () => (pauses.length === 1 ? null : 1),
      clock: { nowMs: () => NOW_MS },
      pause: async (ms) => {
        pauses.push(ms);
        if (pauses.length === 1) expect(await listDays()).toEqual(days);
        isLedgerAway = false;
        if (pauses.length === 3) ending.abort();
      },
      signal: ending.signal,
      journal: createJournal({ clock: { nowMs: () => NOW_MS }, write: (line) => (journal += line) !== '' }),
    });
    expect(pauses).toEqual([3_600_000, 3_600_000, 3_600_000]);
    expect(await listDays()).toEqual(days.slice(2));
    const detail = { rows: 0, daysKept: 1 };
    expect(told).toEqual(days.slice(0, 2).map((day) => ['request-log-dropped', String(day), detail]));
    expect(journal.match(/"event":"log-dropped"/g)).toHaveLength(2);
    expect(journal).toContain('"part":"retention"');
  } finally {
    await database.close();
    rmSync(folder, { recursive: true });
  }
});
