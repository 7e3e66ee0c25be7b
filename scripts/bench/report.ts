/** Results of rows, stored and printed: docs/benchmarks.json and docs/benchmarks.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import type { BenchMeasure } from './types.ts';

export interface BenchResult {
  readonly id: string;
  readonly title: string;
  readonly bar: string;
  readonly figure: string;
  readonly met: boolean | null;
  readonly samples: BenchMeasure | null;
}

const root = resolve(import.meta.dirname, '../..');

export function toMarkdown(results: readonly BenchResult[]): string {
  const machine = `${cpus().length} x ${cpus().at(0)?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  const rows = results.map((row) => {
    const met = row.met === null ? 'not run' : row.met ? 'yes' : 'no';
    return `| ${row.id} | ${row.title} | ${row.bar} | ${row.figure} | ${met} |`;
  });
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench -- --write`, and of rows `gateway-…` by `npm run bench:gateway -- --write`. Ours and the yardstick',
    'run in turn in the same run; ratios are medians of pairs; CPU is user + system time of the process and its children; RSS is',
    'the peak of the process. Machines are shared and noisy: trust ratios and CPU, not wall times.',
    '',
    'Gateway: what is tested runs on one core with all its threads, load and servers behind on the other; 32 connections, three',
    'repetitions in turn after a warm-up, medians. A row says so when others used more than 0.15 of a core meanwhile, or 0.05 of the',
    'tested one, or the tested one was not filled: then CPU time for each request is what counts. Latencies of an open loop count from',
    'when a request was due.',
    '',
    'One commit beside another: `npm run bench:gateway -- --against COMMIT` builds it, lets both gateways take turns with bodies of 100 B to',
    '10 MB, ten processes each, and tells medians with the rank sum test of Mann and Whitney (`--fail-above PERCENT` for a gate).',
    '',
    `Machine: ${machine}.`,
    '',
    '| row | what | bar | reached | met |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** Rows that were not run this time keep their last stored result. */
function mergeStored(results: readonly BenchResult[], path: string): BenchResult[] {
  let stored: BenchResult[] = [];
  try {
    stored = JSON.parse(readFileSync(path, 'utf8')) as BenchResult[];
  } catch {
    // No earlier run is stored.
  }
  const known = new Set(stored.map((row) => row.id));
  const fresh = new Map(results.filter(({ met }) => met !== null).map((row) => [row.id, row]));
  const kept = stored.map((row) => fresh.get(row.id) ?? row);
  return [...kept, ...results.filter((row) => !known.has(row.id))].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Into docs/benchmarks.json and docs/benchmarks.md. */
export function writeResults(results: readonly BenchResult[]): void {
  const path = join(root, 'docs/benchmarks.json');
  const merged = mergeStored(results, path);
  writeFileSync(path, `${JSON.stringify(merged, null, 1)}\n`);
  writeFileSync(join(root, 'docs/benchmarks.md'), toMarkdown(merged));
}
