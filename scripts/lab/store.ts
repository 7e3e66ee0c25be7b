/**
 * Results on disk: one JSON file per row under .lab/, and the committed table. A result is fresh while the sources that
 * its row names are as they were.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row, StoredRow } from './types.ts';
import { root, toVersion } from './version.ts';

const folder = join(root, '.lab/rows');
const tablePath = join(root, 'docs/lab.json');

function toPath(id: string): string {
  return join(folder, `${id}.json`);
}

/** The committed results by id, without times: those differ from run to run. */
export function readTable(): Map<string, StoredRow> {
  if (!existsSync(tablePath)) return new Map();
  const { rows } = JSON.parse(readFileSync(tablePath, 'utf8')) as { rows: readonly StoredRow[] };
  return new Map(rows.map((row) => [row.id, row]));
}

export function writeTable(rows: readonly StoredRow[]): void {
  const kept = rows.map(({ id, code, figures }) => ({ id, code, figures }));
  writeFileSync(tablePath, `${JSON.stringify({ rows: kept }, null, 1)}\n`);
}

/** The result of a row that the present sources made, from this machine or from the committed table. */
export function findFresh(row: Row): StoredRow | undefined {
  const code = toVersion(row.sources);
  const path = toPath(row.id);
  const local = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as StoredRow) : undefined;
  return [local, readTable().get(row.id)].find((stored) => stored?.code === code);
}

/** Computes a row now. */
export async function computeRow(row: Row): Promise<{ readonly stored: StoredRow; readonly seconds: number }> {
  const start = performance.now();
  const figures = await row.compute();
  const seconds = Math.round((performance.now() - start) / 1000);
  return { stored: { id: row.id, code: toVersion(row.sources), figures }, seconds };
}

/** Computes a row and keeps it; a stop in the middle loses one row. */
export async function completeRow(row: Row): Promise<{ readonly stored: StoredRow; readonly seconds: number }> {
  const result = await computeRow(row);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${toPath(row.id)}.part`, JSON.stringify(result.stored));
  renameSync(`${toPath(row.id)}.part`, toPath(row.id));
  return result;
}
