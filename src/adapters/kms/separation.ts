/** Keys lie apart from what they open: whoever copies a folder must not get both. */
import { realpathSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { SealError } from '../../core/errors.ts';

/**
 * Refuses a key whose folder contains the sealed file, or lies in the sealed file's folder: one copy would take both.
 * Links are resolved first; the sealed file need not exist yet.
 * @throws SealError KEY_NOT_APART
 */
export function assertKeyApart(keyPath: string, sealedPath: string): void {
  const keyFolder = toRealFolder(dirname(resolve(keyPath)));
  const sealedFolder = toRealFolder(dirname(resolve(sealedPath)));
  if (isInside(keyFolder, sealedFolder) || isInside(sealedFolder, keyFolder)) throw new SealError('KEY_NOT_APART');
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

function isInside(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}
