/** Writes a small file in one step, and makes the folders that an output is to lie in. */
import { basename, dirname } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { writeFileAtomic } from '../source/atomic.ts';
import { holdsFile } from '../source/plain-file.ts';
import type { Storage } from '../source/ports.ts';

/**
 * The whole file appears under its name, or nothing does.
 * @throws SourceError WRITE_EXISTS | WRITE_FAILED
 */
export function writeBytes(
  storage: Storage,
  file: { readonly path: string; readonly mode: number; readonly bytes: Uint8Array; readonly replace?: boolean },
): void {
  const { path, mode, bytes, replace = true } = file;
  writeFileAtomic({
    storage,
    path,
    mode,
    replace,
    write: (sink) => {
      sink.write(bytes);
    },
  });
}

/** Makes the folders above `path` that are missing. @throws SourceError WRITE_FAILED */
export function makeParent(storage: Storage, path: string): void {
  const folder = dirname(path);
  if (!storage.exists(folder)) storage.makeFolder(folder, 0o755);
}

/**
 * No output may replace what it is made from, not even with --force: neither the file itself nor a folder with it. To be
 * called before the work.
 * @throws SourceError WRITE_OVER_INPUT
 */
export function assertNoInput(
  outputs: readonly (string | null | undefined)[],
  inputs: readonly (string | undefined)[],
): void {
  for (const output of outputs.filter((path) => typeof path === 'string')) {
    const lost = inputs.find((input) => input !== undefined && holdsFile(output, input));
    if (lost === undefined) continue;
    throw new SourceError('WRITE_OVER_INPUT', { fields: { file: basename(lost) } });
  }
}

/** Writes a result file with its folders, replacing an older one. @throws SourceError WRITE_FAILED */
export function writeOutput({ storage }: { readonly storage: Storage }, path: string, bytes: Uint8Array): void {
  makeParent(storage, path);
  writeBytes(storage, { path, mode: 0o644, bytes });
}
