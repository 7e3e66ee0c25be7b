/**
 * `npm run bench:gateway [-- --only ID…] [--write] [--json] [--seconds N] [--repetitions N] [--soak MINUTES]`: rows of the gateway,
 * with its yardsticks in the same run; they use what was built (`npm run build`).
 * `npm run bench:gateway -- --against COMMIT [--rounds N] [--seconds N] [--fail-above PERCENT] [--json]`: what was built against another
 * commit; exit code 1 where a request clearly takes so much more CPU time.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchResult, toMarkdown, writeResults } from '../report.ts';
import { findWorse, runAgainst, toTable } from './against.ts';
import { createPlace } from './place.ts';
import { findObstacle } from './processes.ts';
import { SOAK_ROW, soak } from './soak.ts';
import type { GatewayBench, GatewayRow } from './types.ts';

async function loadRows(): Promise<GatewayRow[]> {
  const files = readdirSync(join(import.meta.dirname, 'rows')).filter((name) => name.endsWith('.ts'));
  const modules = await Promise.all(files.map((name) => import(join(import.meta.dirname, 'rows', name))));
  const rows = modules.flatMap((module: { rows: readonly GatewayRow[] }) => module.rows);
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function runRow(row: GatewayRow, bench: GatewayBench): Promise<BenchResult> {
  const { id, title, bar } = row;
  const obstacle = row.findObstacle();
  if (obstacle !== null) return { id, title, bar, figure: `not run: ${obstacle}`, met: null, samples: null };
  try {
    return { id, title, bar, ...(await row.run(bench)), samples: null };
  } catch (error) {
    return { id, title, bar, figure: `failed: ${String(error).slice(0, 300)}`, met: false, samples: null };
  }
}

function toBench(folder: string, repetitions: number, seconds: number): GatewayBench {
  const measured = new Map<string, Promise<unknown>>();
  return {
    ...{ place: createPlace(folder), repetitions, seconds },
    once: <T>(name: string, measure: () => Promise<T>): Promise<T> => {
      const found = measured.get(name) ?? measure();
      measured.set(name, found);
      return found as Promise<T>;
    },
  };
}

async function runRows(bench: GatewayBench, only: readonly string[] | undefined): Promise<BenchResult[]> {
  const all = await loadRows();
  const rows = all.filter((row) => only === undefined || only.includes(row.id));
  if (rows.length === 0) throw new Error(`no such row; known: ${all.map((row) => row.id).join(', ')}`);
  const results: BenchResult[] = [];
  for (const row of rows) {
    console.error(`running ${row.id}`);
    const result = await runRow(row, bench);
    console.error(`  ${result.figure}  [bar: ${result.bar}; met: ${result.met ?? 'not run'}]`);
    results.push(result);
  }
  if (only === undefined) results.push({ ...SOAK_ROW, figure: 'not run', met: null, samples: null });
  return results;
}

const readOptions = () =>
  parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      write: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      repetitions: { type: 'string', default: '3' },
      soak: { type: 'string' },
      against: { type: 'string' },
      rounds: { type: 'string', default: '10' },
      'fail-above': { type: 'string' },
    },
  }).values;
type Options = ReturnType<typeof readOptions>;

/** @throws Error for what is no number above 0 */
function toPositive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1e6)) throw new Error(`--${name} takes a number above 0, not "${text}"`);
  return value;
}

async function judgeRows(folder: string, options: Options): Promise<void> {
  const bench = toBench(
    folder,
    toPositive('repetitions', options.repetitions),
    toPositive('seconds', options.seconds ?? '3'),
  );
  const results =
    options.soak === undefined
      ? await runRows(bench, options.only)
      : [{ ...SOAK_ROW, ...(await soak(bench.place, toPositive('soak', options.soak))), samples: null }];
  if (options.write) writeResults(results);
  console.log(options.json ? JSON.stringify(results) : toMarkdown(results));
}

async function judgeCommits(folder: string, commit: string, options: Options): Promise<void> {
  const obstacle = findObstacle('wrk', 'nginx', 'git', 'tar');
  if (obstacle !== null) throw new Error(obstacle);
  const [rounds, seconds] = [toPositive('rounds', options.rounds), toPositive('seconds', options.seconds ?? '2')];
  const most = options['fail-above'] === undefined ? Infinity : toPositive('fail-above', options['fail-above']);
  const against = await runAgainst(folder, { commit, rounds, seconds });
  console.log(options.json ? JSON.stringify(against) : toTable(against));
  const worse = findWorse(against.verdicts, most);
  for (const { body, changePercent } of worse) {
    console.error(`${body}: ${changePercent.toFixed(1)} % more CPU time a request`);
  }
  if (worse.length > 0) process.exitCode = 1;
}

async function main(): Promise<void> {
  const options = readOptions();
  const folder = mkdtempSync(join(tmpdir(), 'modelward-gateway-'));
  try {
    await (options.against === undefined ? judgeRows(folder, options) : judgeCommits(folder, options.against, options));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
