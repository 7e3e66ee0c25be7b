/** The folder of a model on disk: names from untrusted files, kept inside it even when links and races are at work. */
import { closeSync, constants, fstatSync, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve, sep } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { toErrno } from './errno.ts';
import { openDescriptor, toDescriptorSource } from './file.ts';
import { findContainedParts } from './names.ts';
import type { ByteSource, SourceFolder } from './ports.ts';

export interface OpenFolderOptions {
  /** When given, links are followed, and a file reached through one must lie under this folder. */
  readonly dataRoot?: string | undefined;
}

/**
 * Opens `path`, which the user named (links in it are followed), as the folder of a model.
 *
 * Names may not leave it. Links inside are refused; with `dataRoot` they are followed, and the opened descriptor (not
 * the name) must lie under it, so a link swapped between check and open gains nothing (CVE-2026-27489, -34446).
 * Hard links are ordinary files here: package stores make them, and no reader can tell which name came first.
 * @throws SourceError SOURCE_NOT_FOUND | SOURCE_NOT_A_FILE | SOURCE_UNREADABLE
 */
export function openFolder(path: string, options: OpenFolderOptions = {}): SourceFolder {
  const root = toRealFolder(path);
  const dataRoot = options.dataRoot === undefined ? null : toRealFolder(options.dataRoot);
  return {
    label: basename(root),
    open(name) {
      const parts = findContainedParts(name);
      if (parts === undefined || (sep === '\\' && name.includes(':'))) {
        throw new SourceError('SOURCE_OUTSIDE_FOLDER', { fields: { name } });
      }
      const label = parts.join('/');
      return dataRoot === null ? openWithoutLinks(root, parts, label) : openUnder(root, dataRoot, parts, label);
    },
  };
}

function toRealFolder(path: string): string {
  const label = basename(path);
  try {
    const real = realpathSync.native(resolve(path));
    if (statSync(real).isDirectory()) return real;
  } catch (cause) {
    const errno = toErrno(cause);
    const code = errno === 'ENOENT' || errno === 'ENOTDIR' ? 'SOURCE_NOT_FOUND' : 'SOURCE_UNREADABLE';
    throw new SourceError(code, { fields: { file: label, errno }, cause });
  }
  throw new SourceError('SOURCE_NOT_FOUND', { message: 'The folder does not exist.', fields: { file: label } });
}

function openWithoutLinks(root: string, parts: readonly string[], label: string): ByteSource {
  let at = root;
  for (const part of parts) {
    at = join(at, part);
    if (isLink(at)) throw new SourceError('SOURCE_LINK_REFUSED', { fields: { file: label } });
  }
  const fd = openDescriptor(at, label, (constants as { O_NOFOLLOW?: number }).O_NOFOLLOW ?? 0);
  return checked(fd, label, () => {
    if (toOpenedPath(fd, at, label) !== at) throw new SourceError('SOURCE_LINK_REFUSED', { fields: { file: label } });
  });
}

function openUnder(root: string, dataRoot: string, parts: readonly string[], label: string): ByteSource {
  const path = join(root, ...parts);
  const fd = openDescriptor(path, label);
  return checked(fd, label, () => {
    const opened = toOpenedPath(fd, path, label);
    const isInside = opened === path || opened.startsWith(dataRoot.endsWith(sep) ? dataRoot : dataRoot + sep);
    if (!isInside) {
      throw new SourceError('SOURCE_OUTSIDE_FOLDER', {
        message: 'The link leads to a file outside the data root.',
        fields: { file: label },
      });
    }
  });
}

function checked(fd: number, label: string, check: () => void): ByteSource {
  try {
    check();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return toDescriptorSource(fd, label);
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false; // absent: the open that follows says so
  }
}

/**
 * Where the opened file really lies. Linux knows it from the descriptor itself; elsewhere the resolved path must still
 * name the same inode, which narrows the race to a swap there and back.
 */
function toOpenedPath(fd: number, path: string, label: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return toResolvedPath(fd, path, label);
  }
}

function toResolvedPath(fd: number, path: string, label: string): string {
  try {
    const real = realpathSync.native(path);
    const byName = statSync(real);
    const byDescriptor = fstatSync(fd);
    if (byName.dev === byDescriptor.dev && byName.ino === byDescriptor.ino) return real;
  } catch (cause) {
    throw new SourceError('SOURCE_CHANGED', { fields: { file: label, errno: toErrno(cause) }, cause });
  }
  throw new SourceError('SOURCE_CHANGED', { fields: { file: label } });
}
