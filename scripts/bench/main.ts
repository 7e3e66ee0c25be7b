/**
 * `npm run bench [-- --only ID…] [--folder DIR] [--write]`: runs every row, ours and the yardstick in turn, prints a
 * table, and with --write stores docs/benchmarks.md and docs/benchmarks.json.
 */
import { mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measure } from './measure.ts';
import { type BenchResult, toMarkdown, writeResults } from './report.ts';
import type { BenchCase, BenchMeasure, BenchRow, BenchSample } from './types.ts';

async function loadRows(): Promise<BenchRow[]> {
  const files = readdirSync(join(import.meta.dirname, 'rows')).filter((name) => name.endsWith('.ts'));
  const modules = await Promise.all(files.sort().map((name) => import(join(import.meta.dirname, 'rows', name))));
  return modules.flatMap((module: { rows: readonly BenchRow[] }) => module.rows);
}

/** Ours and the yardstick in turn; the first pair warms caches up and is dropped when more than two run. */
async function runPairs(bench: BenchCase): Promise<BenchMeasure> {
  const ours: BenchSample[] = [];
  const yardstick: BenchSample[] = [];
  for (let pair = 0; pair < bench.pairs; pair++) {
    ours.push(await measure(bench.ours));
    if (bench.yardstick !== null) yardstick.push(await measure(bench.yardstick));
  }
  const skip = bench.pairs > 2 ? 1 : 0;
  return { ours: ours.slice(skip), yardstick: yardstick.slice(skip) };
}

async function runRow(row: BenchRow, parent: string): Promise<BenchResult> {
  const { id, title, bar } = row;
  const disk = statfsSync(parent);
  if (disk.bavail * disk.bsize < row.diskBytes * 1.1) {
    return { id, title, bar, figure: 'not run: too little free disk', met: null, samples: null };
  }
  const obstacle = row.findObstacle?.(parent) ?? null;
  if (obstacle !== null) return { id, title, bar, figure: `not run: ${obstacle}`, met: null, samples: null };
  const folder = mkdtempSync(join(parent, `modelward-bench-${id}-`));
  try {
    const bench = await row.prepare(folder);
    const samples = await runPairs(bench);
    return { id, title, bar, ...bench.judge(samples), samples };
  } catch (error) {
    return { id, title, bar, figure: `failed: ${String(error).slice(0, 300)}`, met: false, samples: null };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      folder: { type: 'string', default: tmpdir() },
      write: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const all = await loadRows();
  const rows = all.filter((row) => values.only === undefined || values.only.includes(row.id));
  if (rows.length === 0) throw new Error(`no such row; known: ${all.map((row) => row.id).join(', ')}`);
  const results: BenchResult[] = [];
  for (const row of rows) {
    console.error(`running ${row.id}`);
    const result = await runRow(row, values.folder);
    console.error(`  ${result.figure}  [bar: ${result.bar}; met: ${result.met ?? 'not run'}]`);
    results.push(result);
  }
  if (values.write) writeResults(results);
  if (values.json) console.log(JSON.stringify(results));
  else console.log(toMarkdown(results));
}

await main();
