/** Results on disk under .lab/: one JSON file per row, valid while the sources it depends on are the same. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row, StoredRow } from './types.ts';
import { root, rowVersion } from './version.ts';

const folder = join(root, '.lab/rows');

function toPath(id: string): string {
  return join(folder, `${id}.json`);
}

/** The stored result of a row, when it was made by the present sources. */
export function findStored(id: string): StoredRow | undefined {
  const path = toPath(id);
  if (!existsSync(path)) return undefined;
  const stored = JSON.parse(readFileSync(path, 'utf8')) as StoredRow;
  return stored.code === rowVersion ? stored : undefined;
}

/** Computes a row now. */
export async function computeRow(row: Row): Promise<StoredRow> {
  const start = performance.now();
  const figures = await row.compute();
  return { id: row.id, code: rowVersion, seconds: Math.round((performance.now() - start) / 1000), figures };
}

/** Computes a row unless it is stored; a stop in the middle loses one row. */
export async function completeRow(row: Row): Promise<StoredRow> {
  const stored = findStored(row.id);
  if (stored !== undefined) return stored;
  const result = await computeRow(row);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${toPath(row.id)}.part`, JSON.stringify(result));
  renameSync(`${toPath(row.id)}.part`, toPath(row.id));
  return result;
}
