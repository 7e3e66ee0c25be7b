import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { makePrincipal } from '../../../test/fakes/api-keys.ts';
import { GatewayError } from '../../core/errors.ts';
import { createCounterRates } from './counter-rates.ts';
import { createFailoverRates } from './failover.ts';
import { createLimiter } from './limiter.ts';
import { createLineRates, serveRates } from './line-rates.ts';
import { MemoryRates } from './memory-rates.ts';
import type { MessageLine, RateCounter } from './ports.ts';

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
