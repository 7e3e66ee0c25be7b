import { describe, expect, test } from 'vitest';
import { LIMITS, makePrincipal } from '../../../test/fakes/api-keys.ts';
import { createBook } from '../../../test/fakes/budget-table.ts';
import { GatewayError } from '../../core/errors.ts';
import type { LimitVerdict } from '../ports.ts';
import { toLimitHeaders } from './headers.ts';
import { createLimiter } from './limiter.ts';
import { MemoryRates } from './memory-rates.ts';
import { createPermits } from './permits.ts';
import type { RateStore } from './ports.ts';

const freeRates = (): RateStore => new MemoryRates({ nowUs: () => 0 });

const wide = { ...LIMITS, perMinute: 600_000, burst: 100_000 };

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
  // Of another rate in between.
  for (const perMinute of [60, 60, 120]) {
    const headers = Object.fromEntries(toLimitHeaders({ ...LIMITS, perMinute }, verdict));
    expect(headers).toMatchObject({
      'ratelimit-policy': `"key";q=${perMinute};w=60`,
      'x-ratelimit-limit': String(perMinute),
    });
  }
  const refused = { ...verdict, isAdmitted: false, refusedBy: 'rate' as const };
  expect(toLimitHeaders(LIMITS, { ...refused, retryAfterMs: 1 }).at(-1)).toEqual(['retry-after', '1']);
  expect(toLimitHeaders(LIMITS, { ...refused, retryAfterMs: 86_400_000 }).at(-1)).toEqual(['retry-after', '86400']);
  expect(toLimitHeaders(LIMITS, { ...refused, retryAfterMs: null })).toHaveLength(5);
});
