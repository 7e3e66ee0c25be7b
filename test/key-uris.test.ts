/** The key URIs that the guides and the help show are ones that the program takes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parseKeyUri } from '../src/seal/index.ts';

const docs = resolve(import.meta.dirname, '../docs');

/** Whole ones behind the options that take a key; letters in a row stand for what the reader puts there. */
function listShownUris(text: string): string[] {
  const shown = [...text.matchAll(/(?:--(?:key|to)[= ]|KEY=)['"]?([a-z][a-z0-9-]*:[^\s'"`]+)/g)].map(([, uri]) => uri);
  return shown.filter((uri) => !/…|[A-Z]{3,}/.test(uri));
}

test.each(readdirSync(docs).filter((name) => name.endsWith('.md')))('%s', (name) => {
  for (const uri of listShownUris(readFileSync(join(docs, name), 'utf8'))) {
    expect(() => parseKeyUri(uri), uri).not.toThrow();
  }
});

test('there are such URIs', () => {
  for (const name of ['cli.md', 'keys.md', 'signing.md']) {
    expect(listShownUris(readFileSync(join(docs, name), 'utf8')), name).not.toEqual([]);
  }
});
