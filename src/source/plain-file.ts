/** The open files behind byte sources: known to the writer alone; formats and capabilities see sources. */
import { type BigIntStats, fstatSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { SourceError } from '../core/errors.ts';
import type { ByteSource } from './ports.ts';

export interface PlainFile {
  readonly fd: number;
  /** As it was when the source was opened. */
  readonly opened: BigIntStats;
}

const plainFiles = new WeakMap<ByteSource, PlainFile>();

/** To be called when `source` is opened over a descriptor, and with null when it is closed. */
export function setPlainFile(source: ByteSource, file: PlainFile | null): void {
  if (file === null) plainFiles.delete(source);
  else plainFiles.set(source, file);
}

/** Undefined for a buffer, a seal, the output of a rewrite, or a closed source. */
export function findPlainFile(source: ByteSource): PlainFile | undefined {
  return plainFiles.get(source);
}

/**
 * Every plain file among `sources` must have the size and the time of change that it had when it was opened: what was
 * read of it since belongs together. Permissions, names and links of a file may change.
 * @throws SourceError SOURCE_CHANGED
 */
export function assertUnchanged(sources: Iterable<ByteSource>): void {
  for (const source of sources) {
    const file = findPlainFile(source);
    if (file === undefined) continue;
    const now = fstatSync(file.fd, { bigint: true });
    if (now.size !== file.opened.size || now.mtimeNs !== file.opened.mtimeNs) {
      throw new SourceError('SOURCE_CHANGED', { fields: { file: source.label, size: Number(now.size) } });
    }
  }
}

/** True when `path`, links followed, names the very file that `source` has open. */
export function isAtPath(source: ByteSource, path: string): boolean {
  const file = findPlainFile(source);
  if (file === undefined) return false;
  const found = findStat(path);
  return found?.dev === file.opened.dev && found.ino === file.opened.ino;
}

/** True when `path`, links followed, names `file` itself or a folder that it lies in; false when either does not exist. */
export function holdsFile(path: string, file: string): boolean {
  const holder = findStat(path);
  if (holder === undefined || findStat(file) === undefined) return false;
  for (let at = realpathSync(file); ; at = dirname(at)) {
    const found = findStat(at);
    if (found?.dev === holder.dev && found.ino === holder.ino) return true;
    if (at === dirname(at)) return false;
  }
}

function findStat(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined; // unreachable: no file of ours, whatever the reason
  }
}
