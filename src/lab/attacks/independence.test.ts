/** The attacks judge the aligner and the detector, so they must not be made of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** What each file imports from outside of the laboratory: module and names. */
function listForeignImports(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return [...text.matchAll(/from '(?:\.\.\/)+([a-z-]+)\/[^']*'/g)].map(([line, module = '']) => {
        const start = text.lastIndexOf('import', text.indexOf(line));
        const names = text.slice(start, text.indexOf(line)).replace(/import|type|[{}\s]/g, '');
        return `${name}: ${module} ${names}`;
      });
    })
    .filter((line) => /: (?:align|watermark|tamper|workflows) /.test(line));
}

test('attacks share nothing with aligner or detector; overwriting embeds, as a thief would', () => {
  expect(listForeignImports(import.meta.dirname)).toEqual([
    'overwrite.ts: watermark deriveSeeds,embedMark,toOriginalDigest',
  ]);
});
