/** Documents that are made from the code: written with --write, compared otherwise. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Problem } from './problem.ts';

export interface GeneratedDoc {
  readonly file: string;
  readonly text: string;
}

export const GENERATED_NOTICE = '<!-- Made by `npm run docs:check -- --write`; edit the code it is made from. -->';

/** A problem when the stored document differs from `doc`. */
export function checkGenerated(root: string, doc: GeneratedDoc): Problem[] {
  const path = join(root, doc.file);
  const stored = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (stored === doc.text) return [];
  const line = findFirstDifference(stored, doc.text);
  return [{ file: doc.file, text: `differs from the code from line ${line} on; run npm run docs:check -- --write` }];
}

export function writeGenerated(root: string, doc: GeneratedDoc): void {
  mkdirSync(dirname(join(root, doc.file)), { recursive: true });
  writeFileSync(join(root, doc.file), doc.text);
}

/** Text of a table cell: pipes escaped, line breaks taken out. */
export function toCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');
}

function findFirstDifference(a: string, b: string): number {
  const [left, right] = [a.split('\n'), b.split('\n')];
  const index = right.findIndex((line, at) => line !== left[at]);
  return (index < 0 ? right.length : index) + 1;
}
