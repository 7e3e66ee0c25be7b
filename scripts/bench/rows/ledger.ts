/** Speed of durable appends to the ledger, against a plain file of the same bytes with a sync per batch. */
import { join } from 'node:path';
import { readOutput, toMedian } from '../samples.ts';
import { LONG, testsRow } from '../tests-row.ts';
import type { BenchCommand, BenchMeasure, BenchRow, BenchSample } from '../types.ts';

const cases = join(import.meta.dirname, '../cases');
/** Bytes of the entry that the case appends, in its bundle. */
const ENTRY_BYTES = 228;
const BAR_PER_SECOND = 2000;

function judge({ ours, yardstick }: BenchMeasure): { figure: string; met: boolean } {
  const rate = (sample: BenchSample): number => readOutput(sample, 'entriesPerSecond');
  const perSecond = toMedian(ours.map(rate));
  const ratio = toMedian(ours.map((sample, i) => rate(sample) / rate(yardstick[i])));
  const batchMs = toMedian(ours.map((sample) => readOutput(sample, 'batchMs')));
  const words = `${perSecond.toFixed(0)} entries/s, ${batchMs.toFixed(1)} ms a batch, ${ratio.toFixed(3)} x the plain file`;
  return { figure: words, met: perSecond >= BAR_PER_SECOND };
}

function appendRow(batchEntries: number, batches: number): BenchRow {
  return {
    id: `ledger-append-${batchEntries}`,
    title: `durable, signed appends in batches of ${batchEntries}, against a plain file with a sync per batch`,
    bar: `>= ${BAR_PER_SECOND} entries a second`,
    diskBytes: 64 * 2 ** 20,
    prepare: (folder) => {
      const sizes = [folder, String(batches), String(batchEntries)];
      const run = (script: string, args: readonly string[]): BenchCommand => ({
        command: process.execPath,
        args: [join(cases, script), ...args],
      });
      return Promise.resolve({
        ours: run('ledger-append.js', sizes),
        yardstick: run('ledger-yardstick.js', [...sizes, String(ENTRY_BYTES)]),
        pairs: 4,
        judge,
      });
    },
  };
}

const judged = testsRow({
  id: 'ledger-proofs',
  title:
    'checkpoints, proof files and every inclusion and consistency proof of trees of 1 to 1,024 entries, and samples of 1,000,000, judged by Go’s note and tlog packages',
  bar: 'all accepted; what is wrong is refused',
  files: () => ['src/ledger/go-judge.long.test.ts'],
  env: LONG,
});

const attacked = testsRow({
  id: 'ledger-attacks',
  title: '10,500 seeded edits, deletions, reorderings and insertions in the past of a ledger, of 14 kinds',
  bar: 'every one found by fsck',
  files: () => ['src/ledger/fsck.long.test.ts'],
  env: LONG,
});

const killed = testsRow({
  id: 'ledger-crash',
  title:
    'a writer cut off at every storage call, in workloads that fill tiles, unsynced changes kept, dropped or torn, and again while it recovers; 60 times kill -9 of a process',
  bar: 'never two signed histories, no acknowledged entry lost',
  files: () => ['crash', 'kill'].map((name) => `test/crash/ledger-${name}.long.test.ts`),
  env: LONG,
});

export const rows: readonly BenchRow[] = [appendRow(256, 40), appendRow(2048, 10), judged, attacked, killed];
