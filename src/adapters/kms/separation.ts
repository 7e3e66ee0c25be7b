/** Keys lie apart from what they open: whoever copies a folder, or may list a prefix of a bucket, must not get both. */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { SealError } from '../../core/errors.ts';
import type { KeyUri } from '../../seal/ports.ts';
import { findVolumePath, readMountInfo } from './mounts.ts';

/**
 * Files whose content gives the key away or lets its service be used: key files, tokens, PINs, keys of accounts.
 * Where the URI names none there is none to keep apart: the tools of the service keep theirs in the user's home.
 */
export function toSecretPaths(uri: KeyUri): readonly string[] {
  const named = [
    'path' in uri ? uri.path : null,
    'tokenPath' in uri ? uri.tokenPath : null,
    'appRolePath' in uri ? uri.appRolePath : null,
    'credentialsPath' in uri ? uri.credentialsPath : null,
    'pinPath' in uri ? uri.pinPath : null,
  ];
  return named.filter((path) => path !== null);
}

/**
 * Refuses a key whose folder contains the sealed file, or lies in the sealed file's folder: one copy would take both. Links
 * are resolved first, of the files themselves, too, and bind mounts are known.
 * Neither file need exist yet.
 * @param key path of a file, or an object of a store: `s3://BUCKET/NAME`, `gs://BUCKET/NAME`
 * @param sealed likewise
 * @param mountInfo as `readMountInfo`
 * @returns whether both are files on one volume, which one thief, backup or snapshot takes together
 * @throws SealError KEY_NOT_APART
 */
export function assertKeyApart(
  key: string,
  sealed: string,
  mountInfo: string = readMountInfo(),
): { readonly isSameVolume: boolean } {
  const [a, b] = [toPlace(key, mountInfo), toPlace(sealed, mountInfo)];
  const isNested = a.folders.some((one) => b.folders.some((other) => isWithin(one, other) || isWithin(other, one)));
  if (a.root === b.root && isNested) throw new SealError('KEY_NOT_APART');
  const isFiles = a.root === THIS_MACHINE && b.root === THIS_MACHINE;
  const isSameVolume = a.folders.some(({ volume }) => b.folders.some((other) => other.volume === volume));
  return { isSameVolume: isFiles && isSameVolume };
}

const THIS_MACHINE = 'file';

interface Place {
  /** This machine, or a bucket. */
  readonly root: string;
  /** The folder or prefix in which it is named, and the one in which it is when it is a link. */
  readonly folders: readonly Folder[];
}

interface Folder {
  /** Links resolved, or of an object its prefix; without a separator at the end. */
  readonly path: string;
  /** Where the volume has it; null where that is not told. */
  readonly onVolume: string | null;
  /** Number of the volume; null for an object. */
  readonly volume: number | null;
}

function toPlace(where: string, mountInfo: string): Place {
  const object = /^(s3|gs):(?:\/\/)?([^/]+)\/([^]*)$/.exec(where);
  if (object === null) {
    const path = resolve(where);
    const files = new Set([join(toReal(dirname(path)), basename(path)), toReal(path)]);
    return { root: THIS_MACHINE, folders: [...files].map((file) => toFolder(file, mountInfo)) };
  }
  const [, store, bucket, name] = object;
  // Names of objects are no paths, but their slashes are how rights to a prefix are given.
  const prefix = `/${name}`.slice(0, `/${name}`.lastIndexOf('/'));
  return { root: `${store}://${bucket}`, folders: [{ path: prefix, onVolume: null, volume: null }] };
}

/** The real path, or that of the nearest existing parent with the rest appended. */
function toReal(path: string): string {
  try {
    // The native one tells names in their own letters where the volume does not tell letters apart.
    return realpathSync.native(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(toReal(parent), relative(parent, path));
  }
}

function toFolder(file: string, mountInfo: string): Folder {
  // Of the file: one alone may be mounted, too.
  const onVolume = findVolumePath(file, mountInfo);
  const path = dirname(file);
  return { path, onVolume: onVolume === null ? null : dirname(onVolume), volume: findVolume(path) };
}

/** Number of the volume of the folder, or of its nearest existing parent. */
function findVolume(folder: string): number | null {
  const found = statSync(folder, { throwIfNoEntry: false });
  const parent = dirname(folder);
  return found === undefined && parent !== folder ? findVolume(parent) : (found?.dev ?? null);
}

/** That `inner` is `outer` or lies below it, as either path has it. */
function isWithin(inner: Folder, outer: Folder): boolean {
  const isOnVolume = inner.onVolume !== null && outer.onVolume !== null && isBelow(inner.onVolume, outer.onVolume);
  return isOnVolume || isBelow(inner.path, outer.path);
}

function isBelow(inner: string, outer: string): boolean {
  const separator = outer.includes(sep) ? sep : '/';
  return inner === outer || inner.startsWith(outer.endsWith(separator) ? outer : outer + separator);
}
