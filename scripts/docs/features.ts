/** docs/features.md: one table from the fragments in docs/features, and the check that what each row names exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GENERATED_NOTICE, type GeneratedDoc } from './generated.ts';
import type { Problem } from './problem.ts';

export interface FeatureRow {
  readonly file: string;
  readonly line: number;
  /** feature, how to use, shown by, known limits; as written, trimmed. */
  readonly cells: readonly string[];
}

/** What a "shown by" cell may name. */
export interface Evidence {
  readonly root: string;
  readonly benchIds: ReadonlySet<string>;
  readonly labIds: ReadonlySet<string>;
}

const FOLDER = 'docs/features';
const INTRODUCTION = `# Features

${GENERATED_NOTICE}

One row per feature: how to use it, what shows that it works, and its known limits. "Shown by" names a test
(\`file › title\`), a row of [benchmarks.md](benchmarks.md) (\`bench: id\`), a row of [lab.md](lab.md) (\`lab: id\`) or a script;
\`npm run docs:check\` fails when one of them does not exist.
`;

/** The rows of all fragments, files in alphabetical order. */
export function readFeatureRows(root: string): FeatureRow[] {
  const folder = join(root, FOLDER);
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.md'));
  return names.sort().flatMap((name) => parseRows(`${FOLDER}/${name}`, readFileSync(join(folder, name), 'utf8')));
}

/** Table rows of a fragment, without its head. */
export function parseRows(file: string, text: string): FeatureRow[] {
  return text
    .split('\n')
    .map((line, index) => ({ file, line: index + 1, text: line.trim() }))
    .filter((row) => row.text.startsWith('|') && !/^\|[\s:|-]+\|$/.test(row.text) && !/^\|\s*feature\b/i.test(row.text))
    .map((row) => ({ file, line: row.line, cells: toCells(row.text) }));
}

export function toFeaturesDoc(rows: readonly FeatureRow[]): GeneratedDoc {
  const sections = [...new Set(rows.map((row) => row.file))].map((file) => {
    const area = file.slice(FOLDER.length + 1, -'.md'.length);
    const lines = rows
      .filter((row) => row.file === file)
      .map((row) => `| ${row.cells.map(toUpperLinks).join(' | ')} |`);
    return `## ${area}\n\n| feature | how to use | shown by | known limits |\n|---|---|---|---|\n${lines.join('\n')}\n`;
  });
  return { file: 'docs/features.md', text: [INTRODUCTION, ...sections].join('\n') };
}

/** Links as seen from docs/ instead of docs/features/. */
function toUpperLinks(cell: string): string {
  return cell.replaceAll('](../', '](');
}

/** Rows of the wrong shape, rows that name nothing, and rows that name what does not exist. */
export function checkFeatureRows(rows: readonly FeatureRow[], evidence: Evidence): Problem[] {
  return rows.flatMap((row) => {
    const toProblem = (text: string): Problem => ({ file: `${row.file}:${row.line}`, text });
    if (row.cells.length !== 4) return [toProblem(`${row.cells.length} cells instead of 4`)];
    const [feature = '', , shownBy = ''] = row.cells;
    if (feature === '') return [toProblem('the feature is not named')];
    const { count, missing } = checkShownBy(shownBy, evidence);
    if (count === 0) return [toProblem(`"shown by" names no test, bench row, lab row or script: ${feature}`)];
    return missing.map(toProblem);
  });
}

/** Ids of scripts/bench/rows. */
export async function loadBenchIds(root: string): Promise<Set<string>> {
  const folder = join(root, 'scripts/bench/rows');
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.ts')) : [];
  const modules = await Promise.all(names.map((name) => import(pathToFileURL(join(folder, name)).href)));
  return new Set(
    modules.flatMap((module: { rows?: readonly { id: string }[] }) => (module.rows ?? []).map((row) => row.id)),
  );
}

/** Every "id" in docs/lab.json. */
export function loadLabIds(root: string): Set<string> {
  const path = join(root, 'docs/lab.json');
  const ids = new Set<string>();
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('id' in value && typeof value.id === 'string') ids.add(value.id);
    Object.values(value).forEach(collect);
  };
  if (existsSync(path)) collect(JSON.parse(readFileSync(path, 'utf8')));
  return ids;
}

const TEST_FILE = /[\w./-]+\.test\.ts/g;
const ROW_ID = /\b(bench|lab)(?:\s+rows?)?(?::\s*`?|\s+`)([a-z0-9][a-z0-9._-]*)/gi;
const SCRIPT = /(?:scripts|bin|test|\.ci)\/[\w./-]+/g;

function checkShownBy(cell: string, evidence: Evidence): { count: number; missing: string[] } {
  const tests = toTestChunks(cell);
  const rowIds = [...cell.matchAll(ROW_ID)];
  const scripts = (cell.replaceAll(TEST_FILE, '').match(SCRIPT) ?? []).map((path) => path.replace(/[.]+$/, ''));
  const missing = [
    ...tests.flatMap(({ file, rest }) => findTestProblem(file, rest, evidence.root)),
    ...rowIds.flatMap(([, kind = '', id = '']) => {
      const ids = kind.toLowerCase() === 'bench' ? evidence.benchIds : evidence.labIds;
      return ids.has(id) ? [] : [`there is no ${kind.toLowerCase()} row "${id}"`];
    }),
    ...scripts.filter((path) => !existsSync(join(evidence.root, path))).map((path) => `${path} does not exist`),
  ];
  return { count: tests.length + rowIds.length + scripts.length, missing };
}

/** Each test file with the text behind it, up to the next file or line break. */
function toTestChunks(cell: string): { file: string; rest: string }[] {
  const found = [...cell.matchAll(TEST_FILE)];
  return found.map((match, index) => {
    const end = found[index + 1]?.index ?? cell.length;
    const rest = cell.slice(match.index + match[0].length, end).split(/<br ?\/?>/)[0];
    return { file: match[0], rest };
  });
}

function findTestProblem(file: string, rest: string, root: string): string[] {
  const path = join(root, file);
  if (!existsSync(path)) return [`${file} does not exist`];
  const title = /^\s*›\s*(.+)$/s.exec(rest)?.[1];
  if (title === undefined) return [];
  const titles = toQuotedStrings(readFileSync(path, 'utf8'));
  const isNamed = toTitleCandidates(title).some((candidate) =>
    candidate.split(' › ').every((part) => titles.has(part.trim())),
  );
  return isNamed ? [] : [`${file} has no test called "${title.replaceAll('`', '').trim()}"`];
}

/** A title ends at a backtick, semicolon or comma, but may contain them: longest reading first. */
function toTitleCandidates(text: string): string[] {
  const ends = [text.length, ...[...text.matchAll(/[`;,]/g)].map((match) => match.index).reverse()];
  return ends.map((end) =>
    text
      .slice(0, end)
      .replace(/[\s`.;,]+$/, '')
      .trim(),
  );
}

const QUOTED = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g;

function toQuotedStrings(source: string): Set<string> {
  const strings = [...source.matchAll(QUOTED)].map((match) => match[0].slice(1, -1));
  return new Set(
    strings.map((text) =>
      text
        .replaceAll(/\\(['"`\\])/g, '$1')
        .replaceAll('|', '\\|')
        .trim(),
    ),
  );
}

function toCells(line: string): string[] {
  return line
    .replace(/^\|/, '')
    .replace(/\|$/, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}
