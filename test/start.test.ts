/** What a command loads before it works: its own story and no other, counted in modules, not in milliseconds. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const src = resolve(import.meta.dirname, '../src');
/** Imports that remain when types are stripped, and are not put off to a call. */
const STATIC = /^(?:import|export)\s+(?!type\b)(?:[^;'"]*?from\s*)?['"]([^'"]+)['"]/gm;

/** Files below src, and packages, that Node loads with these files. */
function listLoaded(...entries: readonly string[]): ReadonlySet<string> {
  const loaded = new Set<string>();
  const visit = (file: string): void => {
    const name = relative(src, file);
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(STATIC)) {
      if (specifier.startsWith('.')) visit(resolve(dirname(file), specifier));
      else if (!specifier.startsWith('node:')) loaded.add(specifier);
    }
  };
  for (const entry of entries) visit(join(src, entry));
  return loaded;
}

const toFolders = (loaded: ReadonlySet<string>): string[] => [
  ...new Set([...loaded].map((name) => name.split('/', 1)[0])),
];

test('the program itself loads no capability, no format and no schema: help, versions and typing errors are told at once', () => {
  expect(toFolders(listLoaded('cli/main.ts')).sort()).toEqual([
    'adapters',
    'cli',
    'commander',
    'core',
    'source',
    'workflows',
  ]);
});

test('the help of graph lists its verbs without surgery', () => {
  const folders = toFolders(listLoaded('cli/main.ts', 'cli/commands/graph/index.ts'));
  expect(folders).not.toContain('surgery');
  expect(folders).not.toContain('formats');
});

test('sealing loads no surgery, comparison, watermark, report or runtime', () => {
  const folders = toFolders(listLoaded('cli/main.ts', 'cli/commands/seal.ts', 'workflows/session.ts'));
  expect(folders).toContain('seal');
  expect(folders).toContain('ledger');
  for (const other of ['surgery', 'tamper', 'watermark', 'report', 'fidelity', 'align', 'lab', 'onnxruntime-web']) {
    expect(folders).not.toContain(other);
  }
});

test('reading the ownership mark loads no surgery, no output mark and no report', () => {
  const loaded = listLoaded('cli/commands/detect.ts', 'workflows/session.ts');
  expect(loaded).toContain('watermark/detect.ts');
  expect(loaded).not.toContain('watermark/output/index.ts');
  expect(toFolders(loaded)).not.toContain('surgery');
  expect(toFolders(loaded)).not.toContain('report');
});

test('the listing follows values and leaves out types and what is put off', () => {
  const text =
    "import type { A } from './a.ts';\nimport { b } from './b.ts';\nconst c = await import('./c.ts');\nexport * from './d.ts';\n";
  expect([...text.matchAll(STATIC)].map(([, name]) => name)).toEqual(['./b.ts', './d.ts']);
});
