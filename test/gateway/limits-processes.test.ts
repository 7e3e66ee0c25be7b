/** Limits over real processes of one machine, without a store beside: shares, and the first process that counts for all. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemTicksUs } from '../../src/adapters/system/index.ts';
import { MemoryRates, serveRates } from '../../src/gateway/index.ts';
import type { MessageLine } from '../../src/gateway/ports.ts';

const door = pathToFileURL(resolve(import.meta.dirname, '../../dist/gateway/index.js')).href;

/** Asks for 3,000 a minute and 20 at once for a second and a half, as fast as answers come. */
const SCRIPT = `
import { createLineRates, MemoryRates } from ${JSON.stringify(door)};
const nowUs = () => Math.floor(performance.now() * 1000);
const pause = (ms) => new Promise((done) => setTimeout(done, ms).unref());
const line = {
  send: (message) => process.send(message),
  onMessage: (listen) => process.on('message', listen),
  onEnd: (listen) => process.on('disconnect', listen),
};
const rates = process.argv[2] === 'share' ? new MemoryRates({ nowUs, shares: 2 }) : createLineRates(line, { pause });
const policy = { perMinute: 3000, burst: 20 };
process.once('message', async () => {
  const beginMs = Date.now();
  let [admitted, asked, stalledMs, lastMs] = [0, 0, 0, beginMs];
  while (Date.now() < beginMs + 1500) {
    const takes = await Promise.all([1, 2, 3, 4].map(() => rates.take('both', policy)));
    admitted += takes.filter((take) => take.isAdmitted).length;
    asked += 4;
    await new Promise(setImmediate);
    const gapMs = Date.now() - lastMs;
    lastMs += gapMs;
    if (gapMs > 100) stalledMs += gapMs;
  }
  process.send({ run: { admitted, asked, stalledMs, beginMs, endMs: Date.now() } }, () => process.exit(0));
});
process.send('ready');
`;

interface Run {
  readonly admitted: number;
  readonly asked: number;
  /** For so long it did not run, or got no answer: what came meanwhile may have overflowed. */
  readonly stalledMs: number;
  readonly beginMs: number;
  readonly endMs: number;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-limits-'));
  writeFileSync(join(folder, 'worker.mjs'), SCRIPT);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function toLine(child: ChildProcess): MessageLine {
  return {
    send: (message) => child.connected && child.send(message as object),
    onMessage: (listen) => child.on('message', listen),
    onEnd: (listen) => child.on('disconnect', listen),
  };
}

/** Two workers begin when both are ready. */
async function runBoth(mode: 'share' | 'line'): Promise<{ readonly runs: readonly Run[]; readonly longestMs: number }> {
  const rates = new MemoryRates({ nowUs: systemTicksUs });
  const workers = [1, 2].map(() => fork(join(folder, 'worker.mjs'), [mode], { execArgv: [] }));
  const nextOf = <T>(child: ChildProcess, isIt: (message: unknown) => message is T): Promise<T> =>
    new Promise((done, fail) => {
      child.on('message', (message: unknown) => {
        if (isIt(message)) done(message);
      });
      child.on('exit', () => {
        fail(new TypeError('a worker ended'));
      });
    });
  const isReady = (message: unknown): message is 'ready' => message === 'ready';
  const isRun = (message: unknown): message is { readonly run: Run } =>
    typeof message === 'object' && message !== null && 'run' in message;
  await Promise.all(workers.map((child) => nextOf(child, isReady)));
  for (const child of workers) serveRates(toLine(child), rates);
  const begin = performance.now();
  const ended = Promise.all(workers.map((child) => nextOf(child, isRun)));
  for (const child of workers) child.send('go');
  const runs = (await ended).map(({ run }) => run);
  return { runs, longestMs: performance.now() - begin };
}

describe.each(['share', 'line'] as const)('two processes by %s', (mode) => {
  test('admit within 5 of 100 of the ideal, and never more', async () => {
    const { runs, longestMs } = await runBoth(mode);
    const admitted = runs[0].admitted + runs[1].admitted;
    const sharedMs = Math.min(...runs.map(({ endMs }) => endMs)) - Math.max(...runs.map(({ beginMs }) => beginMs));
    expect(admitted).toBeLessThanOrEqual(20 + longestMs / 20);
    const stalledMs = runs[0].stalledMs + runs[1].stalledMs;
    // One in an interval may be under way at either end, in each process.
    expect(admitted).toBeGreaterThanOrEqual(0.95 * (20 + (sharedMs - stalledMs) / 20) - 4);
    expect(runs.every(({ asked }) => asked > 20)).toBe(true);
  });
});
