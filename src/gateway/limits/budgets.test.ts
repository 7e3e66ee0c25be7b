import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBook, createTable, DAY_MS } from '../../../test/fakes/budget-table.ts';

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

  test('that could not be looked up, or were used up, are asked for again after a clock was set back by hours', async () => {
    const { book, state, clock, used } = createBook();
    const [daily, other] = ['key:a', 'key:b'].map((subject) => [{ subject, kind: 'daily', limit: 1 }] as const);
    clock.now += DAY_MS / 2;
    state.isAway = true;
    expect(await book.take(daily, 1)).toMatchObject({ by: 'store' });
    state.isAway = false;
    expect(await book.take(other, 1)).not.toHaveProperty('by');
    expect(await book.take(other, 1)).toMatchObject({ by: 'daily' });
    clock.now -= 7_200_000;
    used.clear();
    expect(await book.take(daily, 1)).not.toHaveProperty('by');
    expect(await book.take(other, 1)).not.toHaveProperty('by');
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
