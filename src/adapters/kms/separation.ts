/** Keys lie apart from what they open: whoever copies a folder, or may list a prefix of a bucket, must not get both. */
import { realpathSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { SealError } from '../../core/errors.ts';
import type { KeyUri } from '../../seal/ports.ts';

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
 * are resolved first; neither need exist yet.
 * @param key path of a file, or an object of a store: `s3://BUCKET/NAME`, `gs://BUCKET/NAME`
 * @param sealed likewise
 * @returns whether both are files on one volume, which one thief, backup or snapshot takes together
 * @throws SealError KEY_NOT_APART
 */
export function assertKeyApart(key: string, sealed: string): { readonly isSameVolume: boolean } {
  const places = [toPlace(key), toPlace(sealed)] as const;
  const [{ root: keyRoot, folder: keyFolder }, { root: sealedRoot, folder: sealedFolder }] = places;
  const separator = keyRoot === THIS_MACHINE ? sep : '/';
  const isNested = isInside(keyFolder, sealedFolder, separator) || isInside(sealedFolder, keyFolder, separator);
  if (keyRoot === sealedRoot && isNested) throw new SealError('KEY_NOT_APART');
  const isFiles = keyRoot === THIS_MACHINE && sealedRoot === THIS_MACHINE;
  return { isSameVolume: isFiles && findVolume(keyFolder) === findVolume(sealedFolder) };
}

const THIS_MACHINE = 'file';

interface Place {
  /** This machine, or a bucket. */
  readonly root: string;
  /** Folder or prefix, without a separator at its end. */
  readonly folder: string;
}

function toPlace(where: string): Place {
  const object = /^(s3|gs):(?:\/\/)?([^/]+)\/([^]*)$/.exec(where);
  if (object === null) return { root: THIS_MACHINE, folder: toRealFolder(dirname(resolve(where))) };
  const [, store, bucket, name] = object;
  // Names of objects are no paths, but their slashes are how rights to a prefix are given.
  return { root: `${store}://${bucket}`, folder: `/${name}`.slice(0, `/${name}`.lastIndexOf('/')) };
}

/** The real path of a folder, or of its nearest existing parent with the rest appended. */
function toRealFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    const parent = dirname(folder);
    return parent === folder ? folder : join(toRealFolder(parent), relative(parent, folder));
  }
}

function isInside(inner: string, outer: string, separator: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(separator) ? outer : outer + separator);
}

/** Number of the volume of the folder, or of its nearest existing parent. */
function findVolume(folder: string): number | undefined {
  const found = statSync(folder, { throwIfNoEntry: false });
  const parent = dirname(folder);
  return found === undefined && parent !== folder ? findVolume(parent) : found?.dev;
}
