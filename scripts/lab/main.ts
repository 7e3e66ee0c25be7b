/**
 * The robustness battery: `npm run lab` completes all rows whose sources changed and writes docs/lab.md and
 * docs/lab.json; it can be stopped and started again. `--only TEXT` completes the rows whose id contains TEXT,
 * `--missing` those that the table has not.
 * `--rows N [--random SEED]` recomputes N random rows and compares them with the committed table.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRng, shuffledOrder } from '../../src/lab/index.ts';
import { listRows, toMarkdown } from './areas.ts';
import { completeRow, computeRow, findFresh, readTable, writeTable } from './store.ts';
import type { StoredRow } from './types.ts';
import { root } from './version.ts';

async function completeAll(only: string, isMissing: boolean): Promise<void> {
  const table = readTable();
  const rows = listRows().filter(({ id }) => id.includes(only) && !(isMissing && table.has(id)));
  for (const [index, row] of rows.entries()) {
    if (findFresh(row) !== undefined) continue;
    const { stored, seconds } = await completeRow(row);
    console.log(`${index + 1}/${rows.length} ${row.id} (${seconds} s) ${JSON.stringify(stored.figures)}`);
  }
}

/** Rows that were not completed keep the figures, and the code, of the committed table. */
function writeResults(): void {
  const rows = listRows();
  const table = readTable();
  const fresh = rows.map((row) => findFresh(row));
  const stored = rows
    .map((row, index) => fresh[index] ?? table.get(row.id))
    .filter((row): row is StoredRow => row !== undefined);
  writeTable(stored);
  writeFileSync(join(root, 'docs/lab.md'), toMarkdown(new Map(stored.map(({ id, figures }) => [id, figures]))));
  const freshCount = fresh.filter((row) => row !== undefined).length;
  console.log(`wrote docs/lab.md: ${stored.length} of ${rows.length} rows, ${freshCount} by the present sources`);
}

/** Recomputes rows from nothing but their ids. Returns how many differ from the committed table. */
async function recompute(count: number, seed: string): Promise<number> {
  const table = readTable();
  if (table.size === 0) throw new TypeError('docs/lab.json is missing: run npm run lab first');
  const known = listRows().filter(({ id }) => table.has(id));
  const picked = [...shuffledOrder(known.length, createRng(seed))].slice(0, count).map((index) => known[index]);
  console.log(`rows drawn with --random ${seed}`);
  let differing = 0;
  for (const row of picked) {
    const { stored, seconds } = await computeRow(row);
    const [now, then] = [stored, table.get(row.id)].map((result) => JSON.stringify(result?.figures));
    differing += Number(now !== then);
    console.log(`${now === then ? 'same' : 'DIFFERENT'} ${row.id} (${seconds} s)`);
    if (now !== then) console.log(`  table ${then}\n  now   ${now}`);
  }
  return differing;
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    missing: { type: 'boolean', default: false },
    rows: { type: 'string' },
    random: { type: 'string' },
  },
});
if (values.rows === undefined) {
  await completeAll(values.only, values.missing);
  writeResults();
} else if ((await recompute(Number(values.rows), values.random ?? randomBytes(4).toString('hex'))) > 0) {
  process.exitCode = 1;
}
