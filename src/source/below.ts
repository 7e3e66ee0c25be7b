/** Names of files from parties that are not trusted, as paths below a folder. */
import { lstatSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { findContainedParts } from './names.ts';

/**
 * The path that `name`, relative and with "/", has below `root`; it need not exist. Links in `root` itself are the
 * caller's own. The answer holds for as long as nobody who may write below `root` puts a link there.
 * @throws SourceError SOURCE_OUTSIDE_FOLDER for a name that could leave the folder; SOURCE_LINK_REFUSED for a link on the
 *   way or at its end
 */
export function toPathBelow(root: string, name: string): string {
  const parts = findContainedParts(name);
  if (parts === undefined || (sep === '\\' && name.includes(':'))) {
    throw new SourceError('SOURCE_OUTSIDE_FOLDER', { fields: { name } });
  }
  let at = resolve(root);
  for (const part of parts) {
    at = join(at, part);
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
      throw new SourceError('SOURCE_LINK_REFUSED', { fields: { file: parts.join('/') } });
    }
  }
  return at;
}
