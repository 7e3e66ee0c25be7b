import { getPriority } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { builtPath, describeWithBuilt } from '../../../test/built.ts';
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

describeWithBuilt('a thread', 'adapters/system/priority.js', () => {
  test.runIf(process.platform === 'linux')(
    'that gives way is behind the others of its process, and it alone',
    async () => {
      const before = getPriority();
      const seen = await new Promise<number>((done, fail) => {
        const entry = pathToFileURL(builtPath('adapters/system/priority.js')).href;
        const code = `import(${JSON.stringify(entry)}).then(({ giveWay }) => { giveWay(); const { getPriority } = require('node:os');
      const tid = Number(require('node:fs').readlinkSync('/proc/thread-self').split('/').at(-1));
      require('node:worker_threads').parentPort.postMessage(getPriority(tid)); });`;
        new Worker(code, { eval: true }).on('message', done).on('error', fail);
      });
      expect(seen).toBe(Math.min(19, before + 10));
      expect(getPriority()).toBe(before);
    },
  );
});
