import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLedgerLock } from '../../src/adapters/ledger-lock/index.ts';
import { fsckLedger, openLedgerReader } from '../../src/ledger/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import { openTestLedger, testNumbers, testSigner } from '../fakes/ledger-kit.ts';

const isLong = process.env.MODELWARD_LONG === '1';
const key = testSigner();
let home: string;
let folder: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ledger-kill-'));
  folder = join(home, 'ledger');
});
afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

interface Acknowledged {
  readonly size: number;
  readonly checkpoint: string;
}

/** Starts the child, kills it `delayMs` after its first acknowledgement, and returns all that it acknowledged. */
function appendAndKill(batchMax: number, delayMs: number): Promise<Acknowledged[]> {
  return new Promise((resolve, reject) => {
    const script = join(import.meta.dirname, 'ledger-child.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', script, folder, String(batchMax)]);
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (output === '') setTimeout(() => child.kill('SIGKILL'), delayMs);
      output += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
    child.on('close', (code) => {
      // What follows the last newline was cut off by the kill.
      if (code === null)
        resolve(
          output
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line) as Acknowledged),
        );
      else reject(new TypeError(`the child ended by itself with ${code}: ${errors}`));
    });
  });
}

test('kill -9 at random moments: nothing acknowledged is lost, no second history is signed, fsck is clean', async () => {
  const next = testNumbers(99);
  const checkpoints: string[] = [];
  let promised = 0;
  for (let round = 0; round < (isLong ? 60 : 4); round += 1) {
    const rows = await appendAndKill(1 + Math.floor(next() * 90), Math.floor(next() * 250));
    promised = rows.at(-1)!.size;
    checkpoints.push(...rows.map((row) => row.checkpoint));
    const recovered = await openTestLedger(nodeStorage, { folder, lock: createLedgerLock() });
    expect(recovered.reader().head.size).toBeGreaterThanOrEqual(promised);
    recovered.close();
    const report = fsckLedger({ storage: nodeStorage, folder, key, knownCheckpoints: checkpoints });
    expect(report.findings).toEqual([]);
  }
  const reader = openLedgerReader({ storage: nodeStorage, folder, key });
  expect([...reader.entries()]).toHaveLength(reader.head.size);
  expect(promised).toBeGreaterThan(4);
});
