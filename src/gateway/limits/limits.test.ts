import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS, makePrincipal } from '../../../test/fakes/api-keys.ts';
import { GatewayError } from '../../core/errors.ts';
import type { LimitVerdict } from '../ports.ts';
import { createAddressLimiter } from './addresses.ts';
import { createBudgetBook } from './budgets.ts';
import { createCounterRates } from './counter-rates.ts';
import { createFailoverRates } from './failover.ts';
import { toLimitHeaders } from './headers.ts';
import { createLimiter } from './limiter.ts';
import { createLineRates, serveRates } from './line-rates.ts';
import { MemoryRates } from './memory-rates.ts';
import { createPermits } from './permits.ts';
import type { BudgetStore, MessageLine, RateCounter, RateStore } from './ports.ts';

const DAY_MS = 86_400_000;

/** What a database keeps: grants are never more than what is left. */
function createTable() {
  const used = new Map<string, number>();
  const state = { isAway: false, leases: 0 };
  const name = ({ subject, day }: { subject: string; day: number }): string => `${subject} ${day}`;
  const store: BudgetStore = {
    lease: (period, { items, limit }) => {
      if (state.isAway) return Promise.reject(new GatewayError('LIMITS_STORE_FAILED'));
      state.leases += 1;
      const before = used.get(name(period)) ?? 0;
      const granted = Math.max(0, Math.min(items, limit - before));
      used.set(name(period), before + granted);
      return Promise.resolve(granted);
    },
    giveBack: (returned) => {
      for (const one of returned) used.set(name(one), (used.get(name(one)) ?? 0) - one.items);
      return Promise.resolve();
    },
    readUsed: (periods) => Promise.resolve(periods.map((period) => used.get(name(period)) ?? 0)),
    forget: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return { store, state, used };
}

function createBook(table = createTable(), nowMs = 10 * DAY_MS) {
  const clock = { now: nowMs };
  const told: string[] = [];
  const book = createBudgetBook({
    store: table.store,
    clock: { nowMs: () => clock.now },
    onTrouble: (code) => told.push(code),
  });
  return { ...table, book, clock, told };
}

const freeRates = (): RateStore => new MemoryRates({ nowUs: () => 0 });
const wide = { ...LIMITS, perMinute: 600_000, burst: 100_000 };

describe('budgets', () => {
  test('of any number of processes that are killed at any time are never exceeded, and nearly used up when none is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 3000 }),
        fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 50 })), {
          maxLength: 300,
        }),
        async (limit, steps) => {
          const table = createTable();
          const books = [0, 1, 2].map(() => createBook(table));
          let admitted = 0;
          let isKilled = false;
          for (const [who, items, chance] of steps) {
            if (chance === 0) {
              // Killed: what it had is lost, and another one takes its place.
              books[who] = createBook(table);
              isKilled = true;
            }
            for (const { clock } of books) clock.now += 400;
            const outcome = await books[who].book.take([{ subject: 'key:a', kind: 'lifetime', limit }], items);
            if (!('by' in outcome)) admitted += items;
            else expect(outcome.by).toBe('lifetime');
          }
          expect(admitted).toBeLessThanOrEqual(limit);
          if (!isKilled) {
            await Promise.all(books.map(({ book }) => book.close()));
            expect(table.used.get('key:a -1') ?? 0).toBe(admitted);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('two processes admit at least 95 of 100 of a budget', async () => {
    const table = createTable();
    const books = [createBook(table), createBook(table)];
    let admitted = 0;
    for (let at = 0; at < 12_000; at += 1) {
      const { book } = books[at % 2];
      const outcome = await book.take([{ subject: 'tenant:acme', kind: 'daily', limit: 5000 }], 1);
      if (!('by' in outcome)) admitted += 1;
    }
    expect(admitted).toBeGreaterThanOrEqual(4750);
    expect(admitted).toBeLessThanOrEqual(5000);
    expect(table.state.leases).toBeLessThan(600);
  });

  test('what comes at once waits for one part together, in small budgets, too', async () => {
    const { book, state } = createBook();
    const ask = [{ subject: 'key:a', kind: 'daily', limit: 10 } as const];
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => Promise.resolve(book.take(ask, 1))));
    expect(outcomes.filter((one) => !('by' in one))).toHaveLength(10);
    expect(outcomes.filter((one) => 'by' in one && one.by !== 'daily')).toEqual([]);
    expect(state.leases).toBeLessThan(6);
  });

  test('of a day begin at midnight UTC; a refusal says when that is; all time never ends', async () => {
    const { book, clock } = createBook();
    const daily = [{ subject: 'key:a', kind: 'daily', limit: 3 } as const];
    clock.now += DAY_MS - 5000;
    expect('by' in (await book.take(daily, 3))).toBe(false);
    expect(await book.take(daily, 1)).toEqual({ by: 'daily', retryAfterMs: 5000 });
    clock.now += 4999;
    expect(await book.take(daily, 1)).toMatchObject({ by: 'daily', retryAfterMs: 1 });
    clock.now += 1;
    expect('by' in (await book.take(daily, 3))).toBe(false);
    // Set back over midnight: the table knows what that day had used.
    clock.now -= 10;
    expect(await book.take(daily, 1)).toMatchObject({ by: 'daily' });
    const lifetime = [{ subject: 'key:a', kind: 'lifetime', limit: 0 } as const];
    expect(await book.take(lifetime, 1)).toEqual({ by: 'lifetime', retryAfterMs: null });
    expect(await book.take(daily, 4)).toEqual({ by: 'daily', retryAfterMs: null });
  });

  test('all of several, or none', async () => {
    const { book, used } = createBook();
    const asks = [
      { subject: 'key:a', kind: 'daily', limit: 100 },
      { subject: 'tenant:t', kind: 'daily', limit: 2 },
    ] as const;
    const outcomes = [];
    for (let at = 0; at < 5; at += 1) outcomes.push(await book.take(asks, 1));
    expect(outcomes.map((one) => 'by' in one)).toEqual([false, false, true, true, true]);
    await book.close();
    expect([...used.values()]).toEqual([2, 2]);
  });

  test('that cannot be looked up admit what is at hand, and no more', async () => {
    const { book, state, told, clock } = createBook();
    const ask = [{ subject: 'key:a', kind: 'daily', limit: 1000 } as const];
    await book.take(ask, 1);
    state.isAway = true;
    let admitted = 0;
    for (let at = 0; at < 50; at += 1) if (!('by' in (await book.take(ask, 1)))) admitted += 1;
    expect(admitted).toBe(4);
    expect(await book.take(ask, 1)).toEqual({ by: 'store', retryAfterMs: 1000 });
    expect(told[0]).toBe('LIMITS_STORE_FAILED');
    state.isAway = false;
    clock.now += 1000;
    expect('by' in (await book.take(ask, 1))).toBe(false);
  });

  test('parts that nobody uses are given back after a minute', async () => {
    const { book, used, clock } = createBook();
    await book.take([{ subject: 'key:a', kind: 'daily', limit: 1000 }], 1);
    await book.tidy();
    expect([...used.values()]).toEqual([5]);
    clock.now += 60_000;
    await book.tidy();
    expect([...used.values()]).toEqual([1]);
  });
});

describe('the limiter', () => {
  const principal = makePrincipal({ limits: { ...wide, daily: 100 } });

  test('answers at once while it knows, and takes nothing when it refuses', async () => {
    const { book, used } = createBook();
    const rates = new MemoryRates({ nowUs: () => 0 });
    const limiter = createLimiter({ rates, budgets: book, tenants: new Map(), models: new Map() });
    const one = { ...principal, limits: { ...principal.limits, perMinute: 60, burst: 2 } };
    expect(await limiter.charge(one, 'fraud', { requests: 1, items: 3 })).toMatchObject({
      isAdmitted: true,
      remaining: 1,
    });
    await limiter.charge(one, 'fraud', { requests: 1, items: 3 });
    for (let at = 0; at < 5; at += 1) {
      expect(await limiter.charge(one, 'fraud', { requests: 1, items: 3 })).toMatchObject({
        refusedBy: 'rate',
        retryAfterMs: 1000,
      });
    }
    const bare = makePrincipal();
    expect(limiter.charge(bare, 'fraud', { requests: 1, items: 1 })).toMatchObject({ isAdmitted: true });
    await book.close();
    expect([...used.values()]).toEqual([6]);
  });

  test('counts tenants over all keys, and models over all callers', async () => {
    const { book } = createBook();
    const limiter = createLimiter({
      rates: freeRates(),
      budgets: book,
      tenants: new Map([['acme', { daily: 5, lifetime: null }]]),
      models: new Map([['fraud', { daily: null, lifetime: 7 }]]),
    });
    const ask = async (id: string, tenant: string): Promise<string> => {
      const verdict = await limiter.charge(makePrincipal({ id, tenant, limits: wide }), 'fraud', {
        requests: 1,
        items: 1,
      });
      return verdict.refusedBy ?? 'admitted';
    };
    const told: string[] = [];
    for (const [id, tenant] of [
      ...Array.from({ length: 6 }, (_, at) => [`key:${at}`, 'acme']),
      ...Array.from({ length: 3 }, (_, at) => [`key:x${at}`, 'globex']),
    ]) {
      told.push(await ask(id, tenant));
    }
    expect(told).toEqual([...Array<string>(5).fill('admitted'), 'daily', 'admitted', 'admitted', 'lifetime']);
  });

  test('gives back once what the gateway spoilt', async () => {
    const { book, used } = createBook();
    const rates = new MemoryRates({ nowUs: () => 0 });
    const limiter = createLimiter({ rates, budgets: book, tenants: new Map(), models: new Map() });
    const one = { ...principal, limits: { ...principal.limits, burst: 1 } };
    const verdict: LimitVerdict = await limiter.charge(one, 'fraud', { requests: 1, items: 5 });
    for (let at = 0; at < 3; at += 1) verdict.refund('all');
    expect(await limiter.charge(one, 'fraud', { requests: 1, items: 5 })).toMatchObject({ isAdmitted: true });
    expect(await limiter.charge(one, 'fraud', { requests: 1, items: 5 })).toMatchObject({ refusedBy: 'rate' });
    await book.close();
    expect([...used.values()]).toEqual([5]);
  });

  test.each([
    0,
    -5,
    0.5,
    NaN,
    Infinity,
    2 ** 60,
  ])('%s items cost one at least, and are never given back as more', async (items) => {
    const { book, used } = createBook();
    const limiter = createLimiter({ rates: freeRates(), budgets: book, tenants: new Map(), models: new Map() });
    const verdict = await limiter.charge(principal, 'fraud', { requests: 1, items });
    expect(verdict.isAdmitted).toBe(true);
    await book.close();
    expect([...used.values()]).toEqual([1]);
  });

  test('a store of rates that fails is a refusal, and takes no budget', async () => {
    const { book, used } = createBook();
    const away: RateStore = {
      take: () => Promise.reject(new GatewayError('LIMITS_STORE_FAILED')),
      refund: () => undefined,
      drain: () => undefined,
      close: () => Promise.resolve(),
    };
    const limiter = createLimiter({ rates: away, budgets: book, tenants: new Map(), models: new Map() });
    expect(await limiter.charge(principal, 'fraud', { requests: 1, items: 1 })).toMatchObject({ refusedBy: 'store' });
    await book.close();
    expect([...used.values()]).toEqual([0]);
  });
});

/** A counter as Redis is one, by a clock of its own, that a test takes away. */
function createCounter(state: { nowUs: number; isAway: boolean }): RateCounter {
  const rates = new MemoryRates({ nowUs: () => state.nowUs });
  const toPolicy = (rule: { intervalUs: number; toleranceUs: number }) => {
    return { perMinute: 60_000_000 / rule.intervalUs, burst: rule.toleranceUs / rule.intervalUs + 1 };
  };
  const whenThere = <T>(work: () => T): Promise<T> =>
    state.isAway ? Promise.reject(new GatewayError('LIMITS_STORE_FAILED')) : Promise.resolve(work());
  return {
    take: (subject, rule) =>
      whenThere(() => {
        const { isAdmitted, resetMs } = rates.take(subject, toPolicy(rule));
        return { isAdmitted, aheadUs: resetMs * 1000 };
      }),
    refund: (subject, rule) =>
      whenThere(() => {
        rates.refund(subject, toPolicy(rule));
      }),
    drain: () =>
      whenThere(() => {
        rates.drain();
      }),
    close: () => Promise.resolve(),
  };
}

describe('a store that goes away', () => {
  test('and comes back, at any times, admits no more than the rate, with two processes; and 95 of 100 while it is there', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1000, max: 30_000 }), { maxLength: 6 }), async (changesMs) => {
        const state = { nowUs: 0, isAway: false };
        const counter = createCounter(state);
        const told: (string | null)[] = [];
        const both = [0, 1].map(() =>
          createFailoverRates({
            store: createCounterRates(counter),
            processes: 2,
            whenAway: 'share',
            nowUs: () => state.nowUs,
            onChange: (code) => told.push(code),
          }),
        );
        const policy = { perMinute: 120, burst: 20 };
        const admittedAt: number[] = [];
        const turns = changesMs.map((_, at) => changesMs.slice(0, at + 1).reduce((sum, ms) => sum + ms * 1000, 0));
        for (; state.nowUs < 90_000_000; state.nowUs += 50_000) {
          state.isAway = turns.filter((turn) => turn <= state.nowUs).length % 2 === 1;
          for (const rates of both) if ((await rates.take('a', policy)).isAdmitted) admittedAt.push(state.nowUs);
        }
        for (const [first, from] of admittedAt.entries()) {
          for (let last = first; last < admittedAt.length; last += 7) {
            expect(last - first + 1).toBeLessThanOrEqual(20 + (admittedAt[last] - from) / 500_000);
          }
        }
        if (changesMs.length === 0) expect(admittedAt.length).toBeGreaterThanOrEqual(0.95 * 200);
        expect(told.filter((code) => code !== null).length).toBe(
          2 * Math.ceil(turns.filter((turn) => turn <= 89_950_000).length / 2),
        );
      }),
      { numRuns: 25 },
    );
  });

  test('is a refusal where shares are not wanted', async () => {
    const state = { nowUs: 0, isAway: true };
    const rates = createFailoverRates({
      store: createCounterRates(createCounter(state)),
      processes: 1,
      whenAway: 'refuse',
      nowUs: () => state.nowUs,
      onChange: () => undefined,
    });
    const limiter = createLimiter({ rates, budgets: null, tenants: new Map(), models: new Map() });
    for (let at = 0; at < 3; at += 1) {
      expect(await limiter.charge(makePrincipal(), 'm', { requests: 1, items: 1 })).toMatchObject({
        refusedBy: 'store',
      });
    }
  });
});

/** Two ends of one line; messages are copied, as between processes. */
function createLines(): { readonly a: MessageLine; readonly b: MessageLine; readonly sent: unknown[]; end(): void } {
  const listeners = { a: [] as ((message: unknown) => void)[], b: [] as ((message: unknown) => void)[] };
  const ends: (() => void)[] = [];
  const sent: unknown[] = [];
  const state = { isOpen: true };
  const line = (own: 'a' | 'b', other: 'a' | 'b'): MessageLine => ({
    send: (message) => {
      const copy: unknown = structuredClone(message);
      sent.push(copy);
      queueMicrotask(() => {
        for (const listen of listeners[other]) listen(copy);
      });
      return state.isOpen;
    },
    onMessage: (listen) => listeners[own].push(listen),
    onEnd: (listen) => ends.push(listen),
  });
  const end = (): void => {
    state.isOpen = false;
    for (const tell of ends) tell();
  };
  return { a: line('a', 'b'), b: line('b', 'a'), sent, end };
}

describe('workers of one machine', () => {
  const policy = { perMinute: 60, burst: 5 };
  const never = (): Promise<void> => new Promise(() => undefined);

  test('are counted together, and what comes at once goes in one message', async () => {
    const first = new MemoryRates({ nowUs: () => 0 });
    const lines = [createLines(), createLines(), createLines()];
    const workers = lines.map(({ a, b }) => {
      serveRates(a, first);
      return createLineRates(b, { pause: never });
    });
    const takes = await Promise.all(
      workers.flatMap((rates) => [1, 2, 3, 4].map(() => Promise.resolve(rates.take('a', policy)))),
    );
    expect(takes.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(5);
    expect(lines.map(({ sent }) => sent.length)).toEqual([2, 2, 2]);
    workers[0].refund('a', policy);
    await Promise.resolve();
    expect(await workers[1].take('a', policy)).toMatchObject({ isAdmitted: true });
    await workers[2].drain();
    expect(await workers[0].take('b', policy)).toMatchObject({ isAdmitted: false });
  });

  test('a line that ends, or does not answer, is a failure for all that wait and all that come', async () => {
    const lines = createLines();
    let tick = (): void => undefined;
    const pause = (): Promise<void> => new Promise((done) => (tick = done));
    const rates = createLineRates(lines.b, { pause });
    const late = Promise.resolve(rates.take('a', policy));
    late.catch(() => undefined);
    for (let at = 0; at < 2; at += 1) {
      tick();
      await new Promise(setImmediate);
    }
    await expect(late).rejects.toMatchObject({ code: 'LIMITS_STORE_FAILED', fields: { reason: 'time' } });
    const waiting = Promise.resolve(rates.take('a', policy));
    lines.end();
    await expect(waiting).rejects.toMatchObject({ code: 'LIMITS_STORE_FAILED', fields: { reason: 'line' } });
    expect(() => rates.take('a', policy)).toThrow(expect.objectContaining({ code: 'LIMITS_STORE_FAILED' }));
    await expect(rates.drain()).rejects.toMatchObject({ code: 'LIMITS_STORE_FAILED' });
  });

  test('messages that are none of the protocol are left alone', async () => {
    const lines = createLines();
    serveRates(lines.a, new MemoryRates({ nowUs: () => 0 }));
    const ask = [['take', 1, 'a', -1, 5]];
    for (const message of [
      null,
      7,
      { ask },
      { modelward: 'modelward-rates-1', ask },
      { modelward: 'modelward-rates-2', ask: [] },
    ]) {
      lines.b.send(message);
    }
    await new Promise(setImmediate);
    expect(lines.sent).toHaveLength(5);
  });
});

describe('permits', () => {
  test('as many as there are, given back once whatever happens', () => {
    const permits = createPermits();
    const principal = makePrincipal({ limits: { ...LIMITS, concurrency: 2 } });
    const held = [permits.acquire(principal), permits.acquire(principal)];
    expect(permits.acquire(principal)).toBeNull();
    expect(permits.acquire(makePrincipal({ id: 'key:other' }))).not.toBeNull();
    for (let at = 0; at < 5; at += 1) held[0]?.release();
    expect(permits.acquire(principal)).not.toBeNull();
    expect(permits.acquire(principal)).toBeNull();
    expect(permits.count).toBe(3);
  });

  test('over processes each lets a part be at work, at least one', () => {
    const counts = [1, 2, 4].map((processes) => {
      const permits = createPermits(processes);
      const principal = makePrincipal({ limits: { ...LIMITS, concurrency: 3 } });
      let count = 0;
      while (permits.acquire(principal) !== null) count += 1;
      return count;
    });
    expect(counts).toEqual([3, 1, 1]);
  });
});

describe('addresses without a credential', () => {
  const policy = { perMinute: 60, burst: 3 };

  test('are bounded by what they fail; looking takes nothing', () => {
    const limiter = createAddressLimiter({ policy, nowUs: () => 0 });
    for (let at = 0; at < 99; at += 1) expect(limiter.look('192.0.2.1').isAdmitted).toBe(true);
    for (let at = 0; at < 3; at += 1) limiter.blame('192.0.2.1');
    expect(limiter.look('192.0.2.1')).toMatchObject({ isAdmitted: false, retryAfterMs: 1000 });
    expect(limiter.look('192.0.2.2').isAdmitted).toBe(true);
  });

  test('of IPv6 are one for 64 bits, and 48 bits have eight times the rate', () => {
    const limiter = createAddressLimiter({ policy, nowUs: () => 0 });
    for (const host of ['1', '2', 'ffff:1']) limiter.blame(`2001:db8:1:1::${host}`);
    expect(limiter.look('2001:db8:1:1::9').isAdmitted).toBe(false);
    expect(limiter.look('2001:db8:1:2::9').isAdmitted).toBe(true);
    for (let network = 16; network < 16 + 21; network += 1) limiter.blame(`2001:db8:1:${network.toString(16)}::1`);
    expect(limiter.look('2001:db8:1:9999::1').isAdmitted).toBe(false);
    expect(limiter.look('2001:db8:2:1::1').isAdmitted).toBe(true);
  });

  test('the table is bounded: others share one rate, and those that are known keep theirs', () => {
    const limiter = createAddressLimiter({ policy, nowUs: () => 0, addressesMax: 10 });
    limiter.blame('192.0.2.1');
    for (let at = 2; at < 5000; at += 1) limiter.blame(`10.0.${at >> 8}.${at & 255}`);
    expect(limiter.look('192.0.2.1')).toMatchObject({ isAdmitted: true, remaining: 2 });
    expect(limiter.look('198.51.100.1').isAdmitted).toBe(false);
  });
});

test('headers tell the rate, and a refusal when to come again', () => {
  const verdict = {
    isAdmitted: true,
    refusedBy: null,
    retryAfterMs: 0,
    remaining: 7,
    resetMs: 6001,
    refund: () => undefined,
  };
  expect(toLimitHeaders(LIMITS, verdict)).toEqual([
    ['ratelimit-policy', '"key";q=120;w=60'],
    ['ratelimit', '"key";r=7;t=7'],
    ['x-ratelimit-limit', '120'],
    ['x-ratelimit-remaining', '7'],
    ['x-ratelimit-reset', '7'],
  ]);
  const refused = { ...verdict, isAdmitted: false, refusedBy: 'rate' as const };
  expect(toLimitHeaders(LIMITS, { ...refused, retryAfterMs: 1 }).at(-1)).toEqual(['retry-after', '1']);
  expect(toLimitHeaders(LIMITS, { ...refused, retryAfterMs: 86_400_000 }).at(-1)).toEqual(['retry-after', '86400']);
  expect(toLimitHeaders(LIMITS, { ...refused, retryAfterMs: null })).toHaveLength(5);
});
