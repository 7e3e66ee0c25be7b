/** docs/errors.md: every error code, from the tables of the areas. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ErrorRow } from '../../src/core/errors/table.ts';
import { ERRORS } from '../../src/core/errors.ts';
import { GENERATED_NOTICE, type GeneratedDoc, toCell } from './generated.ts';
import type { Problem } from './problem.ts';

export interface ErrorArea {
  readonly area: string;
  readonly rows: Readonly<Record<string, ErrorRow>>;
}

const INTRODUCTION = `# Error codes

${GENERATED_NOTICE}

Codes are stable; messages may change. The command line prints code, message, evidence and fix on stderr and ends with
the exit code of [cli.md](cli.md#exit-codes); with \`--json\` the same stands in \`error\` of the one result object. HTTP is the
status with which a gateway answers. Messages and evidence never contain keys, passphrases or raw input.
`;

/** The tables of src/core/errors, one per area, areas without codes left out. */
export async function loadErrorAreas(root: string): Promise<ErrorArea[]> {
  const folder = join(root, 'src/core/errors');
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'table.ts')
    .sort();
  const areas = await Promise.all(
    names.map(async (name) => {
      const module = (await import(pathToFileURL(join(folder, name)).href)) as Record<string, unknown>;
      const area = name.replace(/\.ts$/, '');
      const table = Object.keys(module).find((exported) => exported.endsWith('Errors'));
      if (table === undefined) throw new TypeError(`src/core/errors/${area}.ts exports no table of codes`);
      return { area, rows: module[table] as Record<string, ErrorRow> };
    }),
  );
  return areas.filter(({ rows }) => Object.keys(rows).length > 0);
}

/** The document, areas and codes in alphabetical order. */
export function toErrorsDoc(areas: readonly ErrorArea[]): GeneratedDoc {
  const sections = areas.map(({ area, rows }) => {
    const lines = Object.entries(rows)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([code, row]) =>
          `| \`${code}\` | ${toCell(row.message)} | ${row.exit} | ${row.http} | ${toCell(row.fix ?? '')} |`,
      );
    return `## ${area}\n\n| code | meaning | exit | HTTP | fix |\n|---|---|---|---|---|\n${lines.join('\n')}\n`;
  });
  return { file: 'docs/errors.md', text: [INTRODUCTION, ...sections].join('\n') };
}

/** Codes that two areas define (the later one would win silently), and areas that errors.ts forgets. */
export function checkErrorTables(areas: readonly ErrorArea[]): Problem[] {
  const seen = new Map<string, string>();
  const problems: Problem[] = [];
  for (const { area, rows } of areas) {
    for (const code of Object.keys(rows)) {
      const file = `src/core/errors/${area}.ts`;
      const other = seen.get(code);
      if (other !== undefined) problems.push({ file, text: `${code} is also defined in ${other}` });
      if (!(code in ERRORS)) problems.push({ file, text: `${code} is not part of ERRORS in src/core/errors.ts` });
      seen.set(code, file);
    }
  }
  return problems;
}
