/** The entries below a folder, told apart by what they are: the walk that signing and verifying a model folder share. */
import { lstatSync, readdirSync, realpathSync, statSync, type Stats } from 'node:fs';
import { basename, join } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { toErrno } from './errno.ts';

/**
 * - `file`: a regular file, or with links followed a link to one
 * - `link`: a symbolic link that is not followed, leads nowhere, or leads back to a folder that it lies in
 * - `other`: a pipe, socket or device, or a name that is not UTF-8 (then `name` shows it with replacement characters)
 */
export interface TreeEntry {
  /** Relative to the folder, with "/". */
  readonly name: string;
  readonly kind: 'file' | 'link' | 'other';
  /** Where a followed link leads outside the folder; else false. */
  readonly isOutside: boolean;
}

export interface ListTreeOptions {
  /** True for what is passed over, a folder with all that it holds. Asked before anything is looked at. */
  readonly isIgnored: (name: string) => boolean;
  readonly areLinksFollowed: boolean;
  /** Folders inside folders. */
  readonly depthMax: number;
}

interface Walk extends ListTreeOptions {
  readonly root: string;
}

/**
 * Walks `path`, which the user named (links in it are followed), folder by folder, in the byte order of their names.
 * @throws SourceError SOURCE_NOT_FOUND | SOURCE_UNREADABLE, also below `depthMax`
 */
export function* listTree(path: string, options: ListTreeOptions): Generator<TreeEntry> {
  const root = looking(path, () => realpathSync.native(path));
  yield* listFolder({ ...options, root }, root, '', [root]);
}

/** @param above real paths of the folder and of those that it lies in */
function* listFolder(walk: Walk, folder: string, prefix: string, above: readonly string[]): Generator<TreeEntry> {
  if (above.length > walk.depthMax) {
    throw new SourceError('SOURCE_UNREADABLE', {
      message: 'Folders are nested too deeply.',
      fields: { file: prefix.slice(0, 200), depthMax: walk.depthMax },
    });
  }
  for (const raw of looking(folder, () =>
    readdirSync(folder, { encoding: 'buffer' }).sort((a, b) => Buffer.compare(a, b)),
  )) {
    const own = raw.toString('utf8');
    const name = prefix + own;
    if (walk.isIgnored(name)) continue;
    if (!Buffer.from(own, 'utf8').equals(raw)) {
      yield { name, kind: 'other', isOutside: false };
      continue;
    }
    yield* listEntry(walk, { path: join(folder, own), name, above });
  }
}

function* listEntry(
  walk: Walk,
  entry: { readonly path: string; readonly name: string; readonly above: readonly string[] },
): Generator<TreeEntry> {
  const { path, name, above } = entry;
  const own = looking(path, () => lstatSync(path));
  const target = own.isSymbolicLink() && walk.areLinksFollowed ? findTarget(path) : own;
  if (target === undefined || target.isSymbolicLink()) {
    yield { name, kind: 'link', isOutside: false };
    return;
  }
  const real = own.isSymbolicLink() ? looking(path, () => realpathSync.native(path)) : path;
  if (target.isDirectory()) {
    // A folder that leads back into one that it lies in would never end.
    if (above.includes(real)) yield { name, kind: 'link', isOutside: false };
    else yield* listFolder(walk, real, `${name}/`, [...above, real]);
    return;
  }
  const isOutside = !real.startsWith(join(walk.root, '/'));
  yield { name, kind: target.isFile() ? 'file' : 'other', isOutside };
}

/** What a link leads to; undefined when that does not exist or is a circle of links. */
function findTarget(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function looking<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const errno = toErrno(cause);
    const code = errno === 'ENOENT' || errno === 'ENOTDIR' ? 'SOURCE_NOT_FOUND' : 'SOURCE_UNREADABLE';
    throw new SourceError(code, { fields: { file: basename(path), errno }, cause });
  }
}
