import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorkerPool } from './pool.ts';

/** Doubles numbers; dies on "die" and throws on "throw". */
const SCRIPT = `
const { parentPort, threadId } = require('node:worker_threads');
parentPort.on('message', (job) => {
  if (job === 'die') process.exit(3);
  if (job === 'throw') throw new Error('bad job');
  setTimeout(() => parentPort.postMessage({ twice: 2 * job, threadId }), 5);
});`;

let folder: string;
let scriptPath: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'worker-pool-'));
  scriptPath = join(folder, 'worker.cjs');
  writeFileSync(scriptPath, SCRIPT);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('worker pool', () => {
  test('answers belong to their jobs, and no more workers run than were asked for', async () => {
    const pool = openWorkerPool({ scriptPath, count: 3 });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => pool.run(i)));
    expect(answers.map((answer) => (answer as { twice: number }).twice)).toEqual(
      Array.from({ length: 20 }, (_, i) => 2 * i),
    );
    expect(new Set(answers.map((answer) => (answer as { threadId: number }).threadId)).size).toBeLessThanOrEqual(3);
    await pool.close();
  });

  test('a worker that dies or throws fails its own job, and the others go on', async () => {
    const pool = openWorkerPool({ scriptPath, count: 1 });
    const jobs = ['die', 1, 'throw', 2].map((job) => pool.run(job));
    const outcomes = await Promise.allSettled(jobs);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
    await pool.close();
  });

  test('where no worker can be started, and none is at work, jobs fail instead of waiting', async () => {
    const pool = openWorkerPool({ scriptPath: 'neither absolute nor relative', count: 2 });
    for (const job of [1, 2]) await expect(pool.run(job)).rejects.toThrow('absolute');
    await pool.close();
  });

  test('a pool that is closed fails what waits, and starts no worker for it', async () => {
    const pool = openWorkerPool({ scriptPath, count: 1 });
    const jobs = Promise.allSettled([1, 2, 3].map((job) => pool.run(job)));
    await pool.close();
    const later = await Promise.allSettled([pool.run(4)]);
    expect([...(await jobs), ...later].map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
  });
});
