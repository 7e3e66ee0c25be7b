import { expect, test } from 'vitest';
import { systemClock, systemRandom } from './index.ts';

test('the clock counts milliseconds since 1970', () => {
  const before = Date.now();
  const now = systemClock.nowMs();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(Date.now());
});

test('random fills every byte, also of a view into a larger buffer, and nothing beside it', () => {
  const whole = new Uint8Array(96);
  const seen = new Uint8Array(32);
  for (let round = 0; round < 64; round++) {
    const view = whole.subarray(32, 64);
    systemRandom.fill(view);
    view.forEach((byte, index) => {
      seen[index] = seen[index] | byte;
    });
  }
  expect(seen.every((byte) => byte !== 0)).toBe(true);
  expect(whole.subarray(0, 32).every((byte) => byte === 0)).toBe(true);
  expect(whole.subarray(64).every((byte) => byte === 0)).toBe(true);
});
