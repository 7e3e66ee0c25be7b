/** A process that takes the ledger lock again and again; prints "violation" when it meets another live holder inside. */
import { existsSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLedgerLock } from '../../src/adapters/ledger-lock/index.ts';

const [, , folder, mode] = process.argv;
const lock = createLedgerLock();
const inside = join(folder, 'inside');

/** The process id in the file, while that process runs; a killed one that its parent has not collected yet does not. */
function findOther(): number | undefined {
  try {
    const pid = Number(readFileSync(inside, 'utf8'));
    process.kill(pid, 0);
    return isGone(pid) ? undefined : pid;
  } catch {
    return undefined;
  }
}

function isGone(pid: number): boolean {
  try {
    return /^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // Collected since it was asked for; elsewhere there is nothing to read.
    return existsSync('/proc/self/status');
  }
}

for (;;) {
  const held = await lock.acquire({ folder, waitMs: 20_000 });
  if (findOther() !== undefined) writeSync(1, 'violation: somebody else is inside\n');
  writeFileSync(inside, String(process.pid));
  writeSync(1, 'held\n');
  if (mode === 'hold') await sleep(600_000);
  await sleep(1);
  if (!held.isHeld()) writeSync(1, 'violation: taken over while inside\n');
  rmSync(inside);
  held.release();
}
