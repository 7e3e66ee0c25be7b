/** Where a file lies on its volume: a bind mount, as containers make them, gives a folder or a file a second path. */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** The mounts that this process sees; "" where the system does not tell them so. */
export function readMountInfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}

/**
 * `MAJOR:MINOR` of the volume and the path from its root; null where no mount is known to hold it.
 * @param path absolute, links resolved
 * @param mountInfo lines of id, parent, volume, root of the mount on its volume, mount point, …
 * @see Linux, proc_pid_mountinfo(5)
 */
export function findVolumePath(path: string, mountInfo: string): string | null {
  let found: { readonly volume: string; readonly root: string; readonly at: string } | undefined;
  for (const line of mountInfo.split('\n')) {
    const [, , volume, root, at] = line.split(' ').map(unescapeOctal) as readonly (string | undefined)[];
    if (volume === undefined || root === undefined || at === undefined) continue;
    const isHere = path === at || path.startsWith(at.endsWith('/') ? at : `${at}/`);
    // Of two at one place the later one covers the other.
    if (isHere && at.length >= (found?.at.length ?? 0)) found = { volume, root, at };
  }
  return found === undefined ? null : `${found.volume}:${posix.join(found.root, path.slice(found.at.length))}`;
}

/** Blanks and the like stand as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
