import { expect, test } from 'vitest';
import { createWorkplace } from './command.ts';
import { expectClean, runKills } from './kill.ts';

test('protect killed at sixty moments leaves the old state or the new one, and the next run starts clean', async () => {
  const place = createWorkplace();
  try {
    const kills = await runKills(
      place,
      Array.from({ length: 60 }, (_, round) => 100 + round * 37),
    );
    expect(kills).toBeGreaterThan(20);
    expectClean(place);
  } finally {
    place.remove();
  }
});
