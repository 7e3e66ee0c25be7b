/** README.md: one screen that begins with the two commands which work on a fresh clone. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from './problem.ts';

const FILE = 'README.md';
/** One screen, with room for a table. */
const LINES_MAX = 80;

/** What is wrong with the README's shape. */
export function checkReadme(root: string): Problem[] {
  if (!existsSync(join(root, FILE))) return [{ file: FILE, text: 'does not exist' }];
  const text = readFileSync(join(root, FILE), 'utf8');
  const firstCode = /```[a-z]*\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  const [first = '', second = ''] = firstCode.split('\n');
  const lines = text.split('\n').length;
  return [
    ...(first.startsWith('npm start') && second.startsWith('npm test')
      ? []
      : [{ file: FILE, text: 'the first commands are not "npm start" and "npm test"' }]),
    ...(lines <= LINES_MAX ? [] : [{ file: FILE, text: `${lines} lines are more than one screen (${LINES_MAX})` }]),
  ];
}
