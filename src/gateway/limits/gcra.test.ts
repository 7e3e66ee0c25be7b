import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stepGcra, toGcraRule, toRateTake } from './gcra.ts';
import { MemoryRates } from './memory-rates.ts';
import type { RatePolicy } from './ports.ts';

const policies = fc.record({
  perMinute: fc.oneof(fc.integer({ min: 1, max: 600_000 }), fc.constantFrom(120, 7, 13, 60_000)),
  burst: fc.integer({ min: 1, max: 200 }),
});
/** Gaps between requests, microseconds: bursts, the sustained rate, and long rests. */
const gaps = fc.array(
  fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 600_000 }), fc.integer({ min: 0, max: 200_000_000 })),
  {
    minLength: 1,
    maxLength: 200,
  },
);

/** A bucket of tokens, filled by exact fractions: what GCRA must come to (ITU-T I.371 has them as equivalent). */
class Bucket {
  readonly #full: bigint;
  readonly #interval: bigint;
  #level: bigint;
  #atUs = 0n;

  constructor(policy: RatePolicy) {
    this.#interval = BigInt(toGcraRule(policy).intervalUs);
    this.#full = BigInt(policy.burst) * this.#interval;
    this.#level = this.#full;
  }

  take(nowUs: number): boolean {
    const now = BigInt(nowUs);
    const filled = this.#level + now - this.#atUs;
    this.#level = filled > this.#full ? this.#full : filled;
    this.#atUs = now;
    if (this.#level < this.#interval) return false;
    this.#level -= this.#interval;
    return true;
  }
}

describe('GCRA', () => {
  test('admits what a bucket of tokens admits, request for request', () => {
    fc.assert(
      fc.property(policies, gaps, (policy, spaces) => {
        const state = { nowUs: 0 };
        const rates = new MemoryRates({ nowUs: () => state.nowUs });
        const bucket = new Bucket(policy);
        for (const gap of spaces) {
          state.nowUs += gap;
          expect(rates.take('a', policy).isAdmitted).toBe(bucket.take(state.nowUs));
        }
      }),
    );
  });

  test('in any span of time, admits at most burst + span * rate', () => {
    fc.assert(
      fc.property(policies, gaps, (policy, spaces) => {
        const state = { nowUs: 0 };
        const rates = new MemoryRates({ nowUs: () => state.nowUs });
        const admittedAt: number[] = [];
        for (const gap of spaces) {
          state.nowUs += gap;
          if (rates.take('a', policy).isAdmitted) admittedAt.push(state.nowUs);
        }
        admittedAt.forEach((from, first) => {
          admittedAt.slice(first).forEach((to, index) => {
            expect(index + 1).toBeLessThanOrEqual(policy.burst + ((to - from) * policy.perMinute) / 60_000_000);
          });
        });
      }),
      { numRuns: 40 },
    );
  });

  test('says when: after "retryAfterMs" one is admitted, a millisecond before none; after "resetMs" the burst is whole', () => {
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 300 }), (policy, count) => {
        const state = { nowUs: 1_000_000 };
        const rates = new MemoryRates({ nowUs: () => state.nowUs });
        let last = rates.take('a', policy);
        for (let at = 1; at < count; at += 1) {
          const before = last.remaining;
          last = rates.take('a', policy);
          expect(last.isAdmitted).toBe(before > 0);
        }
        if (!last.isAdmitted) {
          const refusedUs = state.nowUs;
          state.nowUs = refusedUs + (last.retryAfterMs - 1) * 1000;
          expect(rates.look('a', policy).isAdmitted).toBe(false);
          state.nowUs = refusedUs + last.retryAfterMs * 1000;
          expect(rates.look('a', policy).isAdmitted).toBe(true);
          state.nowUs = refusedUs;
        }
        state.nowUs += last.resetMs * 1000;
        expect(rates.look('a', policy).remaining).toBe(policy.burst);
      }),
    );
  });

  test('a clock that is set back locks nobody out for longer than an empty bucket takes', () => {
    const rule = toGcraRule({ perMinute: 120, burst: 20 });
    const step = stepGcra(9_000_000_000, 1_000_000, rule);
    expect(step.isAdmitted).toBe(false);
    expect(toRateTake(step, 1_000_000, rule).retryAfterMs).toBe(500);
    expect(stepGcra(step.arrivalUs, 1_500_000, rule).isAdmitted).toBe(true);
  });

  test('the default of 120 a minute and 20 at once: 20, then one each half second', () => {
    const state = { nowUs: 0 };
    const rates = new MemoryRates({ nowUs: () => state.nowUs });
    const policy = { perMinute: 120, burst: 20 };
    let admitted = 0;
    for (; state.nowUs < 15_000_000; state.nowUs += 1000) if (rates.take('a', policy).isAdmitted) admitted += 1;
    expect(admitted).toBe(20 + 29);
  });
});

describe('rates in memory', () => {
  const policy = { perMinute: 60, burst: 2 };

  test('a refund gives back one, and no more than was taken', () => {
    const state = { nowUs: 0 };
    const rates = new MemoryRates({ nowUs: () => state.nowUs });
    rates.take('a', policy);
    rates.take('a', policy);
    rates.refund('a', policy);
    expect([1, 2].map(() => rates.take('a', policy).isAdmitted)).toEqual([true, false]);
    for (let at = 0; at < 9; at += 1) rates.refund('a', policy);
    rates.refund('unknown', policy);
    expect([1, 2, 3].map(() => rates.take('a', policy).isAdmitted)).toEqual([true, true, false]);
  });

  test('shares of a rate add up to it', () => {
    const state = { nowUs: 0 };
    const both = [0, 1].map(() => new MemoryRates({ nowUs: () => state.nowUs, shares: 2 }));
    let admitted = 0;
    const whole = { perMinute: 120, burst: 20 };
    for (; state.nowUs < 60_000_000; state.nowUs += 5000) {
      for (const rates of both) if (rates.take('a', whole).isAdmitted) admitted += 1;
    }
    const ideal = 20 + 120;
    expect(admitted).toBeLessThanOrEqual(ideal);
    expect(admitted).toBeGreaterThanOrEqual(0.95 * ideal);
  });

  test('what begins empty, or is drained, has nothing but what comes', () => {
    const state = { nowUs: 5_000_000 };
    const rates = new MemoryRates({ nowUs: () => state.nowUs, isEmpty: true });
    expect(rates.take('a', policy)).toMatchObject({ isAdmitted: false, retryAfterMs: 1000 });
    state.nowUs += 1_000_000;
    expect(rates.take('a', policy).isAdmitted).toBe(true);
    state.nowUs += 60_000_000;
    rates.drain();
    expect(rates.take('a', policy).isAdmitted).toBe(false);
    state.nowUs += 2_000_000;
    expect([1, 2, 3].map(() => rates.take('a', policy).isAdmitted)).toEqual([true, true, false]);
  });

  test('the table is bounded: those at rest make room, others do not lose theirs, and whoever finds none is refused', () => {
    const state = { nowUs: 0 };
    const rates = new MemoryRates({ nowUs: () => state.nowUs, subjectsMax: 3 });
    for (const subject of ['a', 'b', 'c']) expect(rates.take(subject, policy).isAdmitted).toBe(true);
    expect(rates.take('d', policy).isAdmitted).toBe(false);
    expect(rates.look('a', policy).remaining).toBe(1);
    state.nowUs += 1_000_000;
    expect(rates.take('d', policy).isAdmitted).toBe(true);
  });
});
