/** The admin API over real tables: keys with their ledger, budgets, and the log a page at a time. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { API_KEY_AREA, type ApiKeyTables, openApiKeyStore } from '../../src/adapters/api-keys/index.ts';
import { BUDGET_AREA, type BudgetTables, openBudgetStore } from '../../src/adapters/budgets/index.ts';
import { type DatabaseAddress, openDatabase } from '../../src/adapters/database/index.ts';
import { systemPause } from '../../src/adapters/system/index.ts';
import type { Database, DatabaseArea } from '../../src/core/database.ts';
import { createPartition, toDay as toLogDay, toPartition } from '../../src/gateway/log/tables.ts';
import {
  type AdminDesk,
  createKeyHasher,
  createModelTable,
  findCursor,
  GATEWAY_LOG_AREA,
  type KeyTerms,
  type LogTables,
  readLogPage,
  toApiKeyRecord,
  toCursorText,
  toDay,
} from '../../src/gateway/index.ts';
import type { BudgetStore } from '../../src/gateway/ports.ts';
import { createAdminDesk } from '../../src/workflows/gateway/index.ts';
import { describeEachDatabase } from '../databases.ts';
import { chance, LIMITS, WHOLE_OUTPUT } from '../fakes/api-keys.ts';

const NOW_MS = Date.parse('2027-01-15T08:00:00Z');
const DAY_MS = 86_400_000;
const TERMS: KeyTerms = {
  ...{ name: 'Acme, production', tenant: 'acme', scopes: ['infer:digits'], networks: [] },
  ...{ limits: { ...LIMITS, daily: 100, lifetime: 5000 }, output: WHOLE_OUTPUT },
  ...{ notBefore: null, expires: '2027-12-31T00:00:00.000Z' },
};
const ACTOR = { id: 'key:k_aaaaaaaaaaaaaaaa' };

function runDeskSuite(getAddress: () => DatabaseAddress): void {
  const entries: { actor: string; subject: string }[] = [];
  let [log, budgets]: [Database<LogTables> | null, BudgetStore | null] = [null, null];
  let desk: AdminDesk;
  let ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const open = <Tables>(area: DatabaseArea): Promise<Database<Tables>> =>
      openDatabase<Tables>({ address: getAddress(), area, pause: systemPause, passfile: null });
    const store = openApiKeyStore({ database: await open<ApiKeyTables>(API_KEY_AREA), toRecord: toApiKeyRecord });
    const used = openBudgetStore(await open<BudgetTables>(BUDGET_AREA));
    const rows = await open<LogTables>(GATEWAY_LOG_AREA);
    [log, budgets] = [rows, used];
    ends = [() => store.close(), () => used.close(), () => rows.close()];
    const recorder = {
      actor: 'an owner',
      record: (recorded: readonly { actor: string; subject: string }[]) =>
        Promise.resolve({ firstIndex: entries.push(...recorded) - recorded.length, checkpoint: '' }),
    };
    desk = createAdminDesk({
      keys: { store, hasher: createKeyHasher(null), recorder, clock: { nowMs: () => NOW_MS }, random: chance },
      models: createModelTable(),
      reloadModel: () => Promise.resolve(),
      budgets: used,
      reloadConfig: () => Promise.resolve([]),
      budgetLimits: () => ({
        tenants: new Map([['acme', { daily: 1000, lifetime: null }]]),
        models: new Map([['digits', { daily: null, lifetime: 9000 }]]),
      }),
      log: rows,
      config: () => ({ listen: { port: 8443 }, models: [{ name: 'digits', file: '/secret' }] }),
      readMetrics: () => Promise.resolve({ families: [], startedMs: 0 }),
      ...{ isReady: () => true, drain: () => undefined },
    });
    await rows.write(writeRows);
  });
  afterAll(async () => {
    for (const end of ends) await end();
  });

  /** 25 rows on each of three days: two streams, times that come twice. */
  async function writeRows(db: Parameters<Parameters<Database<LogTables>['write']>[0]>[0]): Promise<void> {
    for (let day = 0; day < 3; day += 1) {
      const timeMs = NOW_MS - (2 - day) * DAY_MS;
      const name = toPartition(toLogDay(timeMs));
      await createPartition(db, name);
      const rows = Array.from({ length: 25 }, (_, at) => ({
        ...{ stream: at % 2 === 0 ? 'a' : 'b', place: day * 25 + at, time_ms: timeMs + Math.floor(at / 3) },
        ...{ duration_us: 1, status: at % 5 === 0 ? 429 : 200, items: 1, input_bytes: 1, answer_bytes: 1, is_keyed: 0 },
        ...{ input_hash: 'ab'.repeat(32), tensor_hash: null, answer_hash: null, request_id: `r${day * 25 + at}` },
        ...{ principal: 'key:k_1', tenant: 'acme', model: 'digits', version: '1', protocol: 'oip', code: null },
        chain: 'cd'.repeat(32),
      }));
      await db.insertInto(name).values(rows).execute();
    }
  }

  test('keys are made, found, rotated and revoked; the ledger says who asked for it', async () => {
    const made = await desk.keys.create(TERMS, ACTOR);
    expect(made.key).toMatchObject({ standing: 'active', expires: '2027-12-31T00:00:00.000Z', limits: { daily: 100 } });
    expect(JSON.stringify(made.key)).not.toContain(made.apiKey.slice(9, 39));
    const rotated = await desk.keys.rotate(made.key.id, 60, ACTOR);
    expect(rotated.apiKey).not.toBe(made.apiKey);
    expect(await desk.keys.find(made.key.id)).toMatchObject({ standing: 'rotating', secrets: [{}, {}] });
    expect((await desk.keys.revoke(made.key.id, ACTOR)).standing).toBe('revoked');
    expect((await desk.keys.list({ after: '', count: 10 })).map(({ id }) => id)).toEqual([made.key.id]);
    expect(entries.map(({ actor, subject }) => [actor, subject])).toEqual(Array(3).fill([ACTOR.id, made.key.id]));
    await expect(desk.keys.find('k_zzzzzzzzzzzzzzzz')).rejects.toMatchObject({ code: 'APIKEY_UNKNOWN' });
  });

  test('uses of budgets are those of the table: of a key and its tenant, or of tenants and models', async () => {
    const { key } = await desk.keys.create(TERMS, ACTOR);
    const subject = `key:${key.id}`;
    await budgets!.lease({ subject, day: toDay(NOW_MS) }, { items: 7, limit: 100 });
    await budgets!.lease({ subject: 'tenant:acme', day: toDay(NOW_MS) }, { items: 9, limit: 1000 });
    await budgets!.lease({ subject: 'model:digits', day: -1 }, { items: 11, limit: 9000 });
    const tenant = { subject: 'tenant:acme', kind: 'daily', limit: 1000, used: 9 };
    expect(await desk.readUses(key.id)).toEqual([
      { subject, kind: 'daily', limit: 100, used: 7 },
      { subject, kind: 'lifetime', limit: 5000, used: 0 },
      tenant,
    ]);
    const model = { subject: 'model:digits', kind: 'lifetime', limit: 9000, used: 11 };
    expect(await desk.readUses(null)).toEqual([tenant, model]);
  });

  test.each([
    'newest',
    'oldest',
  ] as const)('the log is read whole, %s first, whatever the size of a page', async (order) => {
    const read = async (count: number): Promise<string[]> => {
      const all: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await desk.readLog({ order, count, ...(cursor !== undefined && { cursor }) });
        expect(page.requests.length).toBeLessThanOrEqual(count);
        all.push(
          ...page.requests.map(({ time, stream, index }) => `${time} ${stream} ${String(index).padStart(3, '0')}`),
        );
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      return all;
    };
    const whole = await read(1000);
    expect(new Set(whole).size).toBe(75);
    const sorted = [...whole].sort();
    expect(whole).toEqual(order === 'oldest' ? sorted : sorted.reverse());
    for (const count of [7, 25, 74, 75]) expect(await read(count)).toEqual(whole);
  });

  test('a page is narrowed by what the query names, and by time', async () => {
    const options = { order: 'newest', count: 1000 } as const;
    expect((await desk.readLog({ ...options, status: 429 })).requests).toHaveLength(15);
    expect((await desk.readLog({ ...options, requestId: 'r30' })).requests).toMatchObject([{ index: 30, stream: 'b' }]);
    const since = new Date(NOW_MS - DAY_MS).toISOString();
    const until = new Date(NOW_MS + 3).toISOString();
    expect((await desk.readLog({ ...options, since, until })).requests).toHaveLength(25 + 9);
    expect((await desk.readLog({ ...options, tenant: "acme' or '1'='1" })).requests).toEqual([]);
  });

  test('rows that come meanwhile neither repeat nor hide others', async () => {
    const first = await readLogPage(log!, {}, { order: 'newest', after: null, count: 10 });
    await log!.write(async (db) => {
      const row = { ...first.rows[0], stream: 'c', place: 0, request_id: 'new' };
      await db
        .insertInto(toPartition(toLogDay(NOW_MS)))
        .values(row)
        .execute();
    });
    const second = await readLogPage(log!, {}, { order: 'newest', after: first.next, count: 1000 });
    const ids = [...first.rows, ...second.rows].map(({ request_id: id }) => id);
    expect([ids.length, new Set(ids).size]).toEqual([75, 75]);
  });

  test.each([
    'x',
    'W10',
    toCursorText({ day: -1, timeMs: 0, stream: '', place: 0 }),
    'bnVsbA',
  ])('a cursor %s that was not given out is refused', async (cursor) => {
    expect(findCursor(cursor)).toBeNull();
    const asked = desk.readLog({ order: 'newest', count: 1, cursor });
    await expect(asked).rejects.toMatchObject({ code: 'ADMIN_QUERY_MALFORMED', fields: { at: ['cursor'] } });
  });

  test('the configuration is shown without paths', () => {
    expect(desk.config()).toEqual({ listen: { port: 8443 }, models: [{ name: 'digits', file: '(set)' }] });
  });
}

describeEachDatabase(runDeskSuite);
