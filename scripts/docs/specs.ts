/** docs/spec: every format of ours is written down. */
import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from './problem.ts';

/** A type name of ours where code writes or expects it: `type: '…'` and zod literals. */
const TYPE_NAME = /(?:\btype:\s*|literal\(\s*|_TYPE\s*=\s*)'(modelward-[a-z-]+|application\/vnd\.modelward[^']*)'/g;
const SPEC_PATH = /docs\/spec\/[a-z0-9-]+\.md/g;

export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** Specs that the code names but that are missing, and type names that no spec mentions. */
export function checkSpecs(root: string, sources: readonly SourceText[]): Problem[] {
  const folder = join(root, 'docs/spec');
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.md')) : [];
  const specs = names.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  return sources.flatMap(({ file, text }) => {
    const missing = [...new Set(text.match(SPEC_PATH) ?? [])].filter((path) => !existsSync(join(root, path)));
    const unknown = [...new Set([...text.matchAll(TYPE_NAME)].map((match) => match[1]))].filter(
      (type) => !specs.includes(type),
    );
    return [
      ...missing.map((path) => ({ file, text: `${path} does not exist` })),
      ...unknown.map((type) => ({ file, text: `no file of docs/spec describes "${type}"` })),
    ];
  });
}
