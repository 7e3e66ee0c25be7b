/** The documents: what they name exists, and what is made from code is up to date; each check can fail. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkDocs } from '../scripts/check-docs.ts';
import { toAnchor, toCliDoc } from '../scripts/docs/cli-doc.ts';
import { checkErrorTables, toErrorsDoc } from '../scripts/docs/errors-doc.ts';
import { checkFeatureRows, parseRows, toFeaturesDoc } from '../scripts/docs/features.ts';
import { checkGenerated, writeGenerated } from '../scripts/docs/generated.ts';
import { checkLinks } from '../scripts/docs/links.ts';
import { checkExports } from '../scripts/docs/package-exports.ts';
import { checkReadme } from '../scripts/docs/readme.ts';
import { checkSpecs } from '../scripts/docs/specs.ts';
import { findPromises, findRegistryHosts } from '../scripts/docs/words.ts';
import type { CommandSpec } from '../src/cli/command-spec.ts';
import { ERRORS } from '../src/core/errors.ts';

const root = mkdtempSync(join(tmpdir(), 'docs-'));
afterAll(() => {
  rmSync(root, { recursive: true });
});

function write(file: string, text: string): string {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
  return file;
}

test('the documents of this repository: nothing is missing, nothing is out of date', async () => {
  expect(await checkDocs(resolve(import.meta.dirname, '..'))).toEqual([]);
});

describe('generated documents', () => {
  test('a changed document is found with its line, and writing it again settles it', () => {
    const doc = { file: 'docs/x.md', text: 'a\nb\n' };
    expect(checkGenerated(root, doc)).toHaveLength(1);
    writeGenerated(root, doc);
    expect(checkGenerated(root, doc)).toEqual([]);
    write('docs/x.md', 'a\nc\n');
    expect(checkGenerated(root, doc)[0].text).toContain('line 2');
  });

  test('docs/errors.md has a row for every code, and doubled or forgotten codes are found', () => {
    const row = { message: 'a | b', exit: 3, http: 422, fix: 'c' } as const;
    expect(toErrorsDoc([{ area: 'x', rows: { X_BAD: row } }]).text).toContain('| `X_BAD` | a \\| b | 3 | 422 | c |');
    const known = Object.keys(ERRORS)[0];
    const twice = [
      { area: 'x', rows: { [known]: row } },
      { area: 'y', rows: { [known]: row, Y_FORGOTTEN: row } },
    ];
    expect(checkErrorTables(twice).map(({ file }) => file)).toEqual(['src/core/errors/y.ts', 'src/core/errors/y.ts']);
  });

  test('docs/cli.md names every command, option and exit code', () => {
    const option = {
      flags: '--out <dir>',
      short: null,
      long: '--out',
      summary: 'where',
      value: null,
      isRequired: false,
      defaultText: 'out',
    };
    const base = { summary: 's', description: 'd', arguments: [], examples: [], options: [], subcommands: [] };
    const specs: CommandSpec[] = [
      { ...base, name: '', subcommands: ['protect'] },
      { ...base, name: 'protect', options: [option], examples: [{ command: 'mw protect x', summary: 'simply' }] },
    ];
    const { text } = toCliDoc('mw', specs);
    expect(text).toContain('| [`mw protect`](#mw-protect) | s |');
    expect(text).toContain('| `--out <dir>` | where (default: out) |');
    expect(text).toContain('# simply\nmw protect x');
    expect(text).toContain('| 130 | interrupted |');
  });
});

describe('feature rows', () => {
  write(
    'src/a.test.ts',
    "test('it works; really, with a comma', () => {});\ndescribe('group', () => { test(`inner`, f) });\n",
  );
  write('scripts/check.sh', '');
  const evidence = { root, benchIds: new Set(['seal-speed']), labIds: new Set(['cnn-s1']) };
  const check = (shownBy: string): string[] =>
    checkFeatureRows(
      parseRows('f.md', `| feature | how | shown by | limits |\n|---|---|---|---|\n| f | h | ${shownBy} | l |\n`),
      evidence,
    ).map(({ text }) => text);

  test('tests, bench rows, lab rows and scripts that exist are accepted', () => {
    expect(check('`src/a.test.ts › it works; really, with a comma`')).toEqual([]);
    expect(
      check('src/a.test.ts › group › inner; src/a.test.ts › inner, bench: seal-speed<br>lab row `cnn-s1`'),
    ).toEqual([]);
    expect(check('`src/a.test.ts`')).toEqual([]);
    expect(check('`scripts/check.sh`')).toEqual([]);
  });

  test('an empty cell and everything that does not exist are found', () => {
    expect(check('')[0]).toContain('names no test');
    expect(check('measured by hand')[0]).toContain('names no test');
    expect(check('src/b.test.ts › x')).toEqual(['src/b.test.ts does not exist']);
    expect(check('src/a.test.ts › it fails')[0]).toContain('no test called "it fails"');
    expect(check('bench: nothing, lab: nothing')).toHaveLength(2);
    expect(check('scripts/gone.sh')).toEqual(['scripts/gone.sh does not exist']);
    expect(check('a | b')[0]).toContain('5 cells');
  });

  test('fragments become one document with a section each', () => {
    const rows = parseRows(
      'docs/features/seal.md',
      '# Seal\n\n| feature | how | shown by | limits |\n|---|---|---|---|\n| f | h \\| g | t | l |\n',
    );
    expect(toFeaturesDoc(rows).text).toContain(
      '## seal\n\n| feature | how to use | shown by | known limits |\n|---|---|---|---|\n| f | h \\| g | t | l |\n',
    );
  });
});

describe('links, exports, specs and words', () => {
  test('links that lead nowhere, to a missing heading or outside are found', () => {
    write('b.md', '# Some *heading*, here\n');
    write(
      'a.md',
      '[ok](b.md#some-heading-here) [web](https://example.com) [x](c.md) [y](b.md#gone) [z](../out.md)\n```\n[code](no.md)\n```\n',
    );
    expect(checkLinks(root, 'a.md').map(({ text }) => text)).toEqual([
      'link c.md leads nowhere',
      'link b.md#gone: there is no such heading',
      'link ../out.md leaves the repository',
    ]);
    expect(toAnchor('Exit codes & more')).toBe('exit-codes--more');
  });

  test('exports that are no door are found', () => {
    write('src/seal/index.ts', '/** Seals. */\n');
    write('src/mute/index.ts', 'export {};\n');
    const door = (name: string): string => `./dist/${name}/index.js`;
    expect(checkExports(root, { './package.json': './package.json', './seal': door('seal') })).toEqual([]);
    expect(
      checkExports(root, {
        './open': door('seal'),
        './gone': door('gone'),
        './mute': door('mute'),
        './x': './dist/x.js',
      }),
    ).toHaveLength(4);
  });

  test('a README that does not begin with the two commands, or is long, is found', () => {
    expect(checkReadme(root)).toEqual([{ file: 'README.md', text: 'does not exist' }]);
    write('README.md', '# X\n\n```sh\nnpm start   # a\nnpm test   # b\n```\n');
    expect(checkReadme(root)).toEqual([]);
    write('README.md', `# X\n\n\`\`\`sh\nnpm test\n\`\`\`\n${'\n'.repeat(100)}`);
    expect(checkReadme(root)).toHaveLength(2);
  });

  test('formats without a spec are found', () => {
    write('docs/spec/claim.md', 'type: modelward-claim\n');
    expect(checkSpecs(root, [{ file: 'x.ts', text: "{ type: 'modelward-claim' } // docs/spec/claim.md" }])).toEqual([]);
    expect(
      checkSpecs(root, [{ file: 'x.ts', text: "z.literal('modelward-odd') /* docs/spec/odd.md */" }]),
    ).toHaveLength(2);
  });

  test('promises that nobody can keep are found, honest sentences are not', () => {
    const bad = [
      'It prevents theft.',
      'prevents model theft',
      'An unbreakable mark',
      'forensic-grade evidence',
      'The mark is impossible to remove',
      'a mark that cannot be removed',
      'guaranteed protection',
      'tamper-proof storage',
      'evidence admissible in court',
    ];
    for (const text of bad) expect(findPromises('README.md', text), text).toHaveLength(1);
    const good = [
      'Detection and evidence, not prevention.',
      'It does not prevent copying.',
      'A mark can be removed by retraining.',
      'No court is promised.',
    ];
    for (const text of good) expect(findPromises('README.md', text), text).toEqual([]);
  });

  test('hosts of package registries are found', () => {
    const host = ['registry', 'npmjs', 'org'].join('.');
    expect(findRegistryHosts('package-lock.json', `"resolved": "https://${host}/x.tgz"`)).toHaveLength(1);
    expect(findRegistryHosts('package-lock.json', '"integrity": "sha512-x"')).toEqual([]);
  });
});
