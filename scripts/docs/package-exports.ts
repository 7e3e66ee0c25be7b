/** package.json: every subpath export leads to a door in src, and every door is documented by its first line. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from './problem.ts';

const FILE = 'package.json';

/** Exports whose source does not exist or is no door. */
export function checkExports(root: string, exports: Readonly<Record<string, string>>): Problem[] {
  return Object.entries(exports).flatMap(([subpath, target]) => {
    if (target === './package.json') return [];
    const match = /^\.\/dist\/([a-z-]+)\/index\.js$/.exec(target);
    if (match === null) return [{ file: FILE, text: `export ${subpath} is no door: ${target}` }];
    if (subpath !== `./${match[1]}`)
      return [{ file: FILE, text: `export ${subpath} leads to another folder: ${target}` }];
    const door = `src/${match[1]}/index.ts`;
    if (!existsSync(join(root, door))) return [{ file: FILE, text: `export ${subpath}: ${door} does not exist` }];
    const isDescribed = readFileSync(join(root, door), 'utf8').startsWith('/**');
    return isDescribed ? [] : [{ file: door, text: 'the door does not open with a line that says what it is for' }];
  });
}
