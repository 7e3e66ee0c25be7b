import { describe, expect, test } from 'vitest';
import { createTokenSource } from './token.ts';

function setUp(lifeMs: number | null, failures = 0) {
  let nowMs = 0;
  let asked = 0;
  const clock = { nowMs: () => nowMs };
  const source = createTokenSource(clock, async () => {
    await Promise.resolve();
    asked++;
    if (asked <= failures) throw new TypeError('refused');
    return { value: `token ${asked}`, expiresAtMs: lifeMs === null ? null : nowMs + lifeMs };
  });
  return {
    source,
    asked: () => asked,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('access tokens', () => {
  test('of many requests at once one asks', async () => {
    const { source, asked } = setUp(3_600_000);
    const got = await Promise.all(Array.from({ length: 20 }, () => source.get()));
    expect(new Set(got)).toEqual(new Set(['token 1']));
    expect(asked()).toBe(1);
  });

  test('one is kept until a minute before its end, then another is asked for, once', async () => {
    const { source, asked, pass } = setUp(3_600_000);
    await source.get();
    pass(3_539_000);
    expect(await source.get()).toBe('token 1');
    pass(2000);
    expect(await Promise.all([source.get(), source.get(), source.get()])).toEqual(['token 2', 'token 2', 'token 2']);
    expect(asked()).toBe(2);
  });

  test('one that does not end is kept, until it is dropped', async () => {
    const { source, pass } = setUp(null);
    await source.get();
    pass(1e12);
    expect(await source.get()).toBe('token 1');
    source.drop();
    expect(await source.get()).toBe('token 2');
  });

  test('a failure is not kept', async () => {
    const { source } = setUp(null, 1);
    const first = await Promise.allSettled([source.get(), source.get()]);
    expect(first.map(({ status }) => status)).toContain('rejected');
    expect(await source.get()).toBe('token 2');
  });
});
