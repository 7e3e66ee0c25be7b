import { expect, test } from 'vitest';
import { createWorkplace } from './command.ts';
import { chooseDelaysMs, expectClean, runKills } from './kill.ts';

const ROUNDS = 60;

test('protect killed at sixty moments leaves the old state or the new one, and the next run starts clean', async () => {
  const place = createWorkplace();
  try {
    const kills = await runKills(place, await chooseDelaysMs(place, ROUNDS));
    // Most moments lie inside a run, however fast the machine is; a quarter is enough to call it an experiment.
    expect(kills).toBeGreaterThan(ROUNDS / 4);
    expectClean(place);
  } finally {
    place.remove();
  }
});
