import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorkplace, type Workplace } from './command.ts';
import { expectClean, runKills } from './kill.ts';

let place: Workplace;
beforeEach(() => {
  place = createWorkplace();
});
afterEach(() => {
  place.remove();
});

test('protect killed at five moments leaves the old state or the new one, and the next run starts clean', async () => {
  const kills = await runKills(place, [150, 400, 700, 1000, 1300]);
  expect(kills).toBeGreaterThan(0);
  expectClean(place);
});
