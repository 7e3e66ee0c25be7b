/** The fuzzers of fuzz.test.ts for longer, and that their memory does not grow. */
import { Agent } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { expectTyped, fuzz, send } from './fuzz.ts';
import { type FuzzRequest, GOOD, credentials, mutatedBodies, mutatedHeaders } from './fuzz-cases.ts';
import { useWhole } from './reliability/whole.ts';

const open = useWhole();
const agent = new Agent({ keepAlive: true });
afterAll(() => {
  agent.destroy();
});
const seed = fc.readConfigureGlobal().seed ?? Date.now();

const all: fc.Arbitrary<FuzzRequest> = fc.oneof(
  mutatedBodies,
  mutatedHeaders,
  fc.tuple(fc.constantFrom(...GOOD), credentials).map(([good, authorization]) => ({
    ...good,
    headers: { ...good.headers, authorization },
  })),
);

test('150,000 requests are taken or refused with a code, and the heap is no larger than after the first 50,000', async () => {
  const whole = await open();
  const heaps: number[] = [];
  for (const round of [0, 1, 2]) {
    await fuzz(
      whole,
      all,
      async (one) => {
        const headers = { authorization: `Bearer ${whole.apiKey}`, ...one.headers };
        expectTyped(await send(whole.front.port, { ...one, headers }, agent));
      },
      { numRuns: 50_000, seed: seed + round },
    );
    whole.rows.length = 0;
    heaps.push(await settledHeap());
  }
  process.stdout.write(`heap after each third: ${heaps.map((bytes) => Math.round(bytes / 2 ** 20)).join(', ')} MiB\n`);
  expect(heaps[2]).toBeLessThan(heaps[0] + 8 * 1024 * 1024);
});

/** What is left of the heap when all garbage is collected. */
async function settledHeap(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let look = 0; look < 3; look++) {
    // What is let go of by callbacks that have yet to come is garbage after them.
    await new Promise((done) => setTimeout(done, 50));
    collect();
  }
  return process.memoryUsage().heapUsed;
}
