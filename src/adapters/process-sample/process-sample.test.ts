import { afterAll, expect, test } from 'vitest';
import { openProcessReader } from './index.ts';

const reader = openProcessReader();
afterAll(() => {
  reader.stop();
});

/** Keeps the event loop busy. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('a loop that was held up says so, once; memory and time are those of the process', async () => {
  reader.read();
  // The first look after a reading begins a span.
  await new Promise((done) => setTimeout(done, 50));
  block(200);
  await new Promise((done) => setTimeout(done, 30));
  const held = reader.read();
  expect(held.loopDelay.max).toBeGreaterThan(0.1);
  expect(held.loopDelay.p50).toBeLessThanOrEqual(held.loopDelay.max);
  expect(held.loopUtilization).toBeGreaterThan(0);
  expect(held.loopUtilization).toBeLessThanOrEqual(1);
  expect(held.residentBytes).toBeGreaterThan(10e6);
  expect(held.heapUsedBytes).toBeLessThan(held.residentBytes);
  const next = reader.read();
  expect(next.loopDelay.max).toBeLessThan(held.loopDelay.max);
  expect(next.cpuSeconds).toBeGreaterThanOrEqual(held.cpuSeconds);
});
