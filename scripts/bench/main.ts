/**
 * `npm run bench [-- --only ID…] [--folder DIR] [--write]`: runs every row, ours and the yardstick in turn, prints a
 * table, and with --write stores docs/benchmarks.md and docs/benchmarks.json.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measure } from './measure.ts';
import type { BenchCase, BenchMeasure, BenchRow, BenchSample } from './types.ts';

interface BenchResult {
  readonly id: string;
  readonly title: string;
  readonly bar: string;
  readonly figure: string;
  readonly met: boolean | null;
  readonly samples: BenchMeasure | null;
}

const root = resolve(import.meta.dirname, '../..');

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

function toMarkdown(results: readonly BenchResult[]): string {
  const machine = `${cpus().length} x ${cpus().at(0)?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  const rows = results.map((row) => {
    const met = row.met === null ? 'not run' : row.met ? 'yes' : 'no';
    return `| ${row.id} | ${row.title} | ${row.bar} | ${row.figure} | ${met} |`;
  });
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench -- --write`. Ours and the yardstick run in turn in the same run; ratios are medians of',
    'pairs; CPU is user + system time of the process and its children; RSS is the peak of the process. Machines are',
    'shared and noisy: trust ratios and CPU, not wall times.',
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
  if (values.write) {
    const path = join(root, 'docs/benchmarks.json');
    const merged = mergeStored(results, path);
    writeFileSync(path, `${JSON.stringify(merged, null, 1)}\n`);
    writeFileSync(join(root, 'docs/benchmarks.md'), toMarkdown(merged));
  }
  if (values.json) console.log(JSON.stringify(results));
  else console.log(toMarkdown(results));
}

await main();
