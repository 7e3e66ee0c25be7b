/**
 * Digests of the sources that results depend on. Each row names its own, so that code for another mark or attack leaves
 * the stored row as it is.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root = join(import.meta.dirname, '../..');

function listSources(path: string): string[] {
  if (statSync(path).isFile()) return [path];
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

const TRAINING = [
  ...['kernel', 'layers', 'optimizers', 'tasks', 'data.ts', 'loss.ts', 'models.ts', 'network.ts', 'recipes.ts'],
  ...['rng.ts', 'spec.ts', 'tensor.ts', 'train.ts'],
].map((name) => `src/lab/${name}`);

/** Of everything that trained weights depend on. */
export const trainingVersion = digest(TRAINING.flatMap((path) => listSources(join(root, path))).sort());

/**
 * What the trained models of the battery, their marks and the detector's answer depend on. Keyed streams, hashes, tails
 * and the derivation of seeds are not listed: their vectors in tests fix what they give, and other marks add to them.
 */
export const SUBJECT_SOURCES: readonly string[] = [
  ...TRAINING,
  ...['src/lab/export', 'src/lab/model.ts', 'scripts/lab/subjects.ts', 'scripts/lab/measure.ts', 'src/align'],
  ...['spread', 'calibration', 'detect.ts', 'digest.ts', 'elements.ts', 'reference.ts'].map(
    (name) => `src/watermark/${name}`,
  ),
];

const versions = new Map<string, string>();

/** Of files and folders below the root; tests in them do not count. */
export function toVersion(sources: readonly string[]): string {
  const key = [...new Set(sources)].sort().join('\n');
  const version =
    versions.get(key) ?? digest([...new Set(key.split('\n').flatMap((path) => listSources(join(root, path))))]);
  versions.set(key, version);
  return version;
}
