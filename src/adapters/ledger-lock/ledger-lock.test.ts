import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { testNumbers } from '../../../test/fakes/ledger-kit.ts';
import { ModelwardError } from '../../core/errors.ts';
import { createLedgerLock } from './index.ts';

let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-lock-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const script = join(import.meta.dirname, '../../../test/crash/lock-child.ts');

/** Starts a child, and collects its lines. */
function start(mode: 'hold' | 'turn'): { child: ChildProcess; lines: () => string[]; held: Promise<void> } {
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let output = '';
  const held = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
      resolve();
    });
  });
  return { child, lines: () => output.split('\n').filter((line) => line !== ''), held };
}

/** The lock file of a holder that is not us. */
function forge(change: (owner: Record<string, unknown>) => Record<string, unknown>): string {
  const lock = join(folder, 'lock');
  const path = join(lock, readdirSync(lock).find((name) => /^\d+$/.test(name))!);
  const owner = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify(change(owner)));
  return path;
}

describe('ledger lock', () => {
  test('a second writer waits for its time, then ends with exit code 6', async () => {
    const lock = createLedgerLock();
    const first = await lock.acquire({ folder, waitMs: 0 });
    const error: unknown = await lock.acquire({ folder, waitMs: 120 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'LEDGER_LOCKED', exit: 6, fields: { holderPid: process.pid } });
    expect(error).toBeInstanceOf(ModelwardError);
    const waiting = lock.acquire({ folder, waitMs: 5000 });
    first.release();
    const second = await waiting;
    expect([first.isHeld(), second.isHeld()]).toEqual([false, true]);
    second.release();
    expect(second.isHeld()).toBe(false);
    expect(readdirSync(join(folder, 'lock'))).toHaveLength(1);
  });

  test('a holder that was killed is replaced at once, and one that lives is not', async () => {
    const { child, held } = start('hold');
    await held;
    const lock = createLedgerLock();
    await expect(lock.acquire({ folder, waitMs: 200 })).rejects.toMatchObject({ code: 'LEDGER_LOCKED' });
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    const taken = await lock.acquire({ folder, waitMs: 0 });
    expect(taken.isHeld()).toBe(true);
    taken.release();
  });

  test('a process id that was given again does not keep a dead holder alive', async () => {
    const lock = createLedgerLock();
    const first = await lock.acquire({ folder, waitMs: 0 });
    forge((owner) => ({
      ...owner,
      startTicks: owner.startTicks === null ? null : '1',
      pid: owner.startTicks === null ? 2 ** 30 : owner.pid,
    }));
    const second = await lock.acquire({ folder, waitMs: 0 });
    expect([first.isHeld(), second.isHeld()]).toEqual([false, true]);
    second.release();
  });

  test('a holder on another machine or in another container is judged by its heartbeat', async () => {
    const lock = createLedgerLock({ heartbeatSilenceMs: 300 });
    await lock.acquire({ folder, waitMs: 0 });
    const path = forge((owner) => ({ ...owner, place: 'another boot', host: 'another.example' }));
    const beat = setInterval(() => {
      utimesSync(path, new Date(), new Date());
    }, 50);
    await expect(lock.acquire({ folder, waitMs: 800 })).rejects.toMatchObject({ code: 'LEDGER_LOCKED' });
    clearInterval(beat);
    const taken = await lock.acquire({ folder, waitMs: 5000 });
    expect(taken.isHeld()).toBe(true);
    taken.release();
  });

  test('a lock file that cannot be read is judged by its heartbeat too', async () => {
    mkdirSync(join(folder, 'lock'));
    writeFileSync(join(folder, 'lock', '7'), '{');
    const lock = createLedgerLock({ heartbeatSilenceMs: 100 });
    await expect(lock.acquire({ folder, waitMs: 0 })).rejects.toMatchObject({ code: 'LEDGER_LOCKED' });
    const taken = await lock.acquire({ folder, waitMs: 5000 });
    expect(readdirSync(join(folder, 'lock'))).toEqual(['8']);
    taken.release();
  });

  test('where no lock can be made, that is what it says', async () => {
    writeFileSync(join(folder, 'lock'), '');
    await expect(createLedgerLock().acquire({ folder, waitMs: 0 })).rejects.toMatchObject({
      code: 'LEDGER_LOCK_FAILED',
    });
  });

  test('processes that take turns and are killed at random never hold it together', async () => {
    const next = testNumbers(5);
    const all = [start('turn'), start('turn'), start('turn')];
    await Promise.all(all.map(({ held }) => held));
    for (let round = 0; round < 3; round += 1) {
      await sleep(100 + next() * 200);
      all[round].child.kill('SIGKILL');
      all.push(start('turn'));
    }
    await all.at(-1)!.held;
    await sleep(300);
    for (const { child } of all) child.kill('SIGKILL');
    const lines = all.flatMap((run) => run.lines());
    expect(lines.filter((line) => line.startsWith('violation'))).toEqual([]);
    expect(lines.length).toBeGreaterThan(20);
  });
});
