/** Digests of the sources that results depend on: rows are recomputed when these change, and not otherwise. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root = join(import.meta.dirname, '../..');

function listSources(path: string): string[] {
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function digest(paths: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of paths)
    hash
      .update(`${relative(root, path)}\0`)
      .update(readFileSync(path))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

const lab = listSources(join(root, 'src/lab'));
const isAfterTraining = (path: string): boolean => /src\/lab\/(attacks|export|index\.ts|model\.ts)/.test(path);

/** Of everything that trained weights depend on. */
export const trainingVersion = digest(lab.filter((path) => !isAfterTraining(path)));

/** Of everything that a row depends on. */
export const rowVersion = digest([
  ...lab,
  ...['watermark', 'align'].flatMap((folder) => listSources(join(root, 'src', folder))),
  ...['prf.ts', 'stats.ts', 'hash.ts'].map((file) => join(root, 'src/core', file)),
  ...['subjects.ts', 'attacks.ts', 'rows.ts'].map((file) => join(root, 'scripts/lab', file)),
]);
