import { expect, test } from 'vitest';
import { toKeyAge } from './due.ts';

const DAY_MS = 86_400_000;
const MADE = '2026-01-02T03:04:05.678Z';
const MADE_MS = Date.parse(MADE);

test('from day 80 on it is soon, from day 90 on due', () => {
  for (const [days, state] of [
    [0, 'fresh'],
    [79, 'fresh'],
    [80, 'soon'],
    [89, 'soon'],
    [90, 'due'],
    [5000, 'due'],
  ] as const) {
    const dueAt = '2026-04-02T03:04:05.678Z';
    expect(toKeyAge(MADE, MADE_MS + days * DAY_MS)).toEqual({ state, ageDays: days, dueAt });
  }
  expect(toKeyAge(MADE, MADE_MS + 80 * DAY_MS - 1)).toMatchObject({ state: 'fresh', ageDays: 79 });
});

test('a key of the future is fresh, one of unknown age neither fresh nor due', () => {
  expect(toKeyAge(MADE, MADE_MS - DAY_MS)).toMatchObject({ state: 'fresh', ageDays: 0 });
  const unknown = { state: 'unknown', ageDays: null, dueAt: null };
  expect([toKeyAge(null, MADE_MS), toKeyAge('yesterday', MADE_MS)]).toEqual([unknown, unknown]);
});
