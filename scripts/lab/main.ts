/**
 * The robustness battery: `npm run lab` completes all rows and writes docs/lab.md and docs/lab.json; it can be stopped
 * and started again. `--only TEXT` completes the rows whose id contains TEXT. `--rows N [--random SEED]` recomputes N
 * random rows and compares them with the committed table.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRng, shuffledOrder } from '../../src/lab/index.ts';
import { toMarkdown } from './report.ts';
import { listRows } from './rows.ts';
import { completeRow, computeRow, findStored } from './store.ts';
import type { Figures, StoredRow } from './types.ts';
import { root } from './version.ts';

const tablePath = join(root, 'docs/lab.json');

/** The committed results, without times: those differ from run to run. */
interface Table {
  readonly code: string;
  readonly rows: readonly { readonly id: string; readonly figures: Figures }[];
}

async function completeAll(only: string): Promise<void> {
  const rows = listRows().filter(({ id }) => id.includes(only));
  for (const [index, row] of rows.entries()) {
    const isNew = findStored(row.id) === undefined;
    const { seconds, figures } = await completeRow(row);
    if (isNew) console.log(`${index + 1}/${rows.length} ${row.id} (${seconds} s) ${JSON.stringify(figures)}`);
  }
}

function writeTable(): void {
  const stored = listRows()
    .map(({ id }) => findStored(id))
    .filter((row): row is StoredRow => row !== undefined);
  if (stored.length === 0) return;
  const rows = stored.map(({ id, figures }) => ({ id, figures }));
  const table: Table = { code: stored[0].code, rows };
  writeFileSync(tablePath, `${JSON.stringify(table, null, 1)}\n`);
  writeFileSync(join(root, 'docs/lab.md'), toMarkdown(toMap(rows)));
  console.log(`wrote docs/lab.md: ${stored.length} of ${listRows().length} rows`);
}

function toMap(rows: Table['rows']): ReadonlyMap<string, Figures> {
  return new Map(rows.map(({ id, figures }) => [id, figures]));
}

/** Recomputes rows from nothing but their ids. Returns how many differ from the committed table. */
async function recompute(count: number, seed: string): Promise<number> {
  if (!existsSync(tablePath)) throw new TypeError('docs/lab.json is missing: run npm run lab first');
  const rows = toMap((JSON.parse(readFileSync(tablePath, 'utf8')) as Table).rows);
  const known = listRows().filter(({ id }) => rows.has(id));
  const picked = [...shuffledOrder(known.length, createRng(seed))].slice(0, count).map((index) => known[index]);
  console.log(`rows drawn with --random ${seed}`);
  let differing = 0;
  for (const row of picked) {
    const { figures, seconds } = await computeRow(row);
    const isSame = JSON.stringify(figures) === JSON.stringify(rows.get(row.id));
    differing += Number(!isSame);
    console.log(`${isSame ? 'same' : 'DIFFERENT'} ${row.id} (${seconds} s)`);
    if (!isSame) console.log(`  table ${JSON.stringify(rows.get(row.id))}\n  now   ${JSON.stringify(figures)}`);
  }
  return differing;
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rows: { type: 'string' },
    random: { type: 'string' },
  },
});
if (values.rows === undefined) {
  await completeAll(values.only);
  writeTable();
} else if ((await recompute(Number(values.rows), values.random ?? randomBytes(4).toString('hex'))) > 0) {
  process.exitCode = 1;
}
