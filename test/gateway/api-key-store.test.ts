/** API keys and budgets in real databases, and how soon a change holds in others that read them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { API_KEY_AREA, type ApiKeyTables, openApiKeyStore } from '../../src/adapters/api-keys/index.ts';
import { BUDGET_AREA, type BudgetTables, openBudgetStore } from '../../src/adapters/budgets/index.ts';
import { type DatabaseAddress, openDatabase } from '../../src/adapters/database/index.ts';
import { systemPause } from '../../src/adapters/system/index.ts';
import type { Database, DatabaseArea } from '../../src/core/database.ts';
import { createKeyHasher, KeyIndex, openKeyWatch, toApiKeyRecord } from '../../src/gateway/index.ts';
import type { ApiKeyStore } from '../../src/gateway/ports.ts';
import {
  createApiKey,
  findApiKey,
  type IssuedApiKey,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
  toStanding,
} from '../../src/workflows/gateway/index.ts';
import { describeEachDatabase } from '../databases.ts';
import { chance, LIMITS, makeKey, WHOLE_OUTPUT } from '../fakes/api-keys.ts';

const hasher = createKeyHasher(null);

const TERMS = {
  ...{ name: 'Acme, production', tenant: 'acme', scopes: ['infer:fraud'], networks: ['192.0.2.0/24'] },
  ...{ limits: LIMITS, output: WHOLE_OUTPUT, notBeforeMs: null, expiresMs: null },
};

function open<Tables>(address: DatabaseAddress, area: DatabaseArea): Promise<Database<Tables>> {
  return openDatabase<Tables>({ address, area, pause: systemPause, passfile: null });
}

async function openKeys(address: DatabaseAddress): Promise<ApiKeyStore> {
  return openApiKeyStore({ database: await open<ApiKeyTables>(address, API_KEY_AREA), toRecord: toApiKeyRecord });
}

/** A desk whose ledger is a list, which a test can make fail. */
function createDesk(store: ApiKeyStore) {
  const state = { nowMs: 1_800_000_000_000, entries: [] as unknown[], isLedgerAway: false };
  const desk = {
    ...{ store, hasher, random: chance, clock: { nowMs: () => state.nowMs } },
    recorder: {
      actor: 'an owner',
      record: (entries: readonly unknown[]) => {
        if (state.isLedgerAway) return Promise.reject(new TypeError('the ledger is away'));
        return Promise.resolve({ firstIndex: state.entries.push(...entries) - 1, checkpoint: '' });
      },
    },
  };
  return { desk, state };
}

function runStoreSuite(getAddress: () => DatabaseAddress): void {
  let store: ApiKeyStore;
  beforeAll(async () => {
    store = await openKeys(getAddress());
  });
  afterAll(() => store.close());

  test('a key is made, rotated and revoked, each with an entry, and its text is nowhere', async () => {
    const { desk, state } = createDesk(store);
    const given: IssuedApiKey[] = [];
    const deliver = (issued: IssuedApiKey) => void given.push(issued);
    const { record } = await createApiKey(desk, TERMS, deliver);
    expect(await findApiKey(store, record.id)).toEqual(record);
    await rotateApiKey(desk, { id: record.id, overlapSec: 60 }, deliver);
    const rotating = await findApiKey(store, record.id);
    expect(rotating.secrets.map(({ endsMs }) => endsMs)).toEqual([state.nowMs + 60_000, null]);
    expect(toStanding(rotating, state.nowMs)).toBe('rotating');
    await expect(rotateApiKey(desk, { id: record.id, overlapSec: 60 }, deliver)).rejects.toMatchObject({
      code: 'APIKEY_ROTATING',
    });
    await rotateApiKey(desk, { id: record.id, overlapSec: 0 }, deliver);
    expect((await findApiKey(store, record.id)).secrets).toHaveLength(1);
    await revokeApiKey(desk, record.id);
    await expect(revokeApiKey(desk, record.id)).rejects.toMatchObject({ code: 'APIKEY_REVOKED' });
    await expect(rotateApiKey(desk, { id: record.id, overlapSec: 0 }, deliver)).rejects.toMatchObject({
      code: 'APIKEY_REVOKED',
    });
    expect(state.entries.map((entry) => (entry as { detail: object }).detail)).toEqual([
      { action: 'create', tenant: 'acme', secrets: 1 },
      { action: 'rotate', tenant: 'acme', secrets: 2 },
      { action: 'rotate', tenant: 'acme', secrets: 1 },
      { action: 'revoke', tenant: 'acme', secrets: 0 },
    ]);
    const kept = JSON.stringify([state.entries, await listApiKeys(store)]);
    for (const { apiKey, tagKey } of given)
      for (const secret of [apiKey, apiKey.slice(9, 39), tagKey]) expect(kept).not.toContain(secret);
  });

  test('without its entry, or when it cannot be delivered, nothing is made', async () => {
    const { desk, state } = createDesk(store);
    const before = await store.readChange();
    state.isLedgerAway = true;
    await expect(createApiKey(desk, TERMS, () => undefined)).rejects.toThrow('the ledger is away');
    state.isLedgerAway = false;
    const full = (): never => {
      throw new TypeError('the disk is full');
    };
    await expect(createApiKey(desk, TERMS, full)).rejects.toThrow('the disk is full');
    expect([await store.readChange(), state.entries]).toEqual([before, []]);
  });

  test('an id that is none, and terms that contradict themselves, are refused', async () => {
    const { desk } = createDesk(store);
    await expect(revokeApiKey(desk, "k_' or 1=1 --")).rejects.toMatchObject({ code: 'APIKEY_UNKNOWN' });
    await expect(rotateApiKey(desk, { id: 'k_0', overlapSec: 1e9 }, () => undefined)).rejects.toMatchObject({
      code: 'APIKEY_FIELD_INVALID',
    });
    const terms = { ...TERMS, notBeforeMs: 2, expiresMs: 1 };
    await expect(createApiKey(desk, terms, () => undefined)).rejects.toMatchObject({ code: 'APIKEY_FIELD_INVALID' });
  });

  test('changes come in their order, in pages; a row that somebody wrote by hand lets nobody in', async () => {
    const since = await store.readChange();
    const keys = Array.from({ length: 3 }, () => makeKey(hasher));
    await store.transact(async (transaction) => {
      for (const { record } of keys) await transaction.save(record);
    });
    const first = await store.readChanges({ since, count: 2 });
    expect([first.records.length, first.isMore]).toEqual([2, true]);
    const second = await store.readChanges({ since: first.change, count: 2 });
    expect([second.records.length, second.isMore, second.change]).toEqual([1, false, since + 3]);
    const database = await open<ApiKeyTables>(getAddress(), API_KEY_AREA);
    const [{ record }] = keys;
    await database.write(async (db) => {
      await db
        .updateTable('apikey')
        .set({ terms: '{"scopes":["root"]}', change: since + 4 })
        .where('id', '=', record.id)
        .execute();
      await db
        .updateTable('apikey_state')
        .set({ change: since + 4 })
        .execute();
    });
    await database.close();
    expect(await store.readChanges({ since: since + 3, count: 2 })).toMatchObject({
      records: [],
      damaged: [record.id],
    });
    await expect(findApiKey(store, record.id)).rejects.toMatchObject({
      code: 'APIKEY_RECORD_DAMAGED',
      fields: { key: record.id },
    });
    await store.transact((transaction) => transaction.save(record));
  });

  test('the last use is noted, moves no counter, and never goes back', async () => {
    const { record } = makeKey(hasher);
    await store.transact((transaction) => transaction.save(record));
    const change = await store.readChange();
    const [{ hashHex }] = record.secrets;
    await store.noteUsed([{ hashHex, usedMs: 5000 }]);
    await store.noteUsed([{ hashHex, usedMs: 4000 }]);
    expect((await findApiKey(store, record.id)).secrets[0].usedMs).toBe(5000);
    expect(await store.readChange()).toBe(change);
  });

  test('a revocation by another process holds with the next look, half a second later; so do new keys and rotations', async () => {
    const theirs = await openKeys(getAddress());
    const { desk } = createDesk(theirs);
    const index = new KeyIndex(hasher);
    const stop = new AbortController();
    const turns: (() => void)[] = [];
    const clock = { nowMs: () => 1_800_000_000_000 };
    const pauses: number[] = [];
    const pause = (ms: number): Promise<void> => {
      pauses.push(ms);
      return new Promise((done) => turns.push(done));
    };
    const watch = await openKeyWatch({
      store,
      uses: store,
      index,
      clock,
      pause,
      signal: stop.signal,
      onTrouble: () => undefined,
    });
    const running = watch.run();
    const look = async (): Promise<void> => {
      const before = pauses.length;
      turns.shift()?.();
      while (pauses.length === before) await new Promise(setImmediate);
    };
    const given: IssuedApiKey[] = [];
    const deliver = (issued: IssuedApiKey) => void given.push(issued);
    const isKnown = (at: number): boolean => index.identify(given[at].apiKey, '192.0.2.1', clock.nowMs()).isKnown;
    const { record } = await createApiKey(desk, TERMS, deliver);
    expect(isKnown(0)).toBe(false);
    await look();
    expect(isKnown(0)).toBe(true);
    await rotateApiKey(desk, { id: record.id, overlapSec: 0 }, deliver);
    await look();
    expect([isKnown(0), isKnown(1)]).toEqual([false, true]);
    await revokeApiKey(desk, record.id);
    await look();
    expect(isKnown(1)).toBe(false);
    expect(Math.max(...pauses)).toBe(500);
    stop.abort();
    turns.shift()?.();
    await running;
    await theirs.close();
  });

  test('budgets: of many that lease at once, no more is granted than there is', async () => {
    const both = await Promise.all(
      [1, 2].map(async () => openBudgetStore(await open<BudgetTables>(getAddress(), BUDGET_AREA))),
    );
    const period = { subject: 'key:a', day: 20_000 };
    const grants = await Promise.all(
      Array.from({ length: 20 }, (_, at) => both[at % 2].lease(period, { items: 7, limit: 100 })),
    );
    expect(grants.reduce((sum, granted) => sum + granted, 0)).toBe(100);
    await both[0].giveBack([{ ...period, items: 30 }]);
    expect(await both[1].lease(period, { items: 50, limit: 100 })).toBe(30);
    await both[0].lease({ subject: 'key:a', day: -1 }, { items: 5, limit: 9 });
    expect(await both[1].readUsed([period, { subject: 'key:a', day: -1 }, { subject: 'key:b', day: 0 }])).toEqual([
      100, 5, 0,
    ]);
    await both[0].forget(20_001);
    expect(await both[1].readUsed([period, { subject: 'key:a', day: -1 }])).toEqual([0, 5]);
    await Promise.all(both.map((budgets) => budgets.close()));
  });
}

describeEachDatabase(runStoreSuite);
