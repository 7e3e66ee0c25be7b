/** The fuzzers of fuzz.test.ts for longer, from another seed each day; and that their memory does not grow. */
import { Agent } from 'node:http';
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
const seed = Math.floor(Date.now() / 86_400_000);

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
  expect(heaps[2]).toBeLessThan(heaps[0] + 32 * 1024 * 1024);
});

/** The least of some looks at the heap: garbage comes and goes between them. */
async function settledHeap(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 20; look++) {
    Buffer.alloc(8 * 1024 * 1024);
    globalThis.gc?.();
    await new Promise((done) => setTimeout(done, 50));
    least = Math.min(least, process.memoryUsage().heapUsed);
  }
  return least;
}
