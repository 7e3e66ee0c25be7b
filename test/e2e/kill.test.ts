import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorkplace, type Workplace } from './command.ts';
import { chooseDelaysMs, expectClean, runKills } from './kill.ts';

let place: Workplace;
beforeEach(() => {
  place = createWorkplace();
});
afterEach(() => {
  place.remove();
});

test('protect killed at five moments leaves the old state or the new one, and the next run starts clean', async () => {
  const kills = await runKills(place, await chooseDelaysMs(place, 5));
  expect(kills).toBeGreaterThan(0);
  expectClean(place);
});
