/** The layers as a test: imports go down only, no folder imports a stranger, no file is in a circle. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

interface Layers {
  levels: Record<string, number | undefined>;
  open: string[];
  byFile: string[];
  portsOnly: Record<string, string[] | undefined>;
  composeOnly: string[];
  forbidden: Record<string, string[] | undefined>;
}

interface Edge {
  from: string;
  to: string;
}

const root = resolve(import.meta.dirname, '..');
const layers = JSON.parse(readFileSync(join(root, 'scripts/layers.json'), 'utf8')) as Layers;
const IMPORT =
  /(?:import|export)\s[^;'"]*?from\s*['"]([^'"]+)['"]|import\s*\(\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]/gm;

function listSources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return listSources(path);
    return path.endsWith('.ts') && !path.endsWith('.test.ts') ? [path] : [];
  });
}

function readEdges(file: string, text: string): Edge[] {
  return [...text.matchAll(IMPORT)]
    .map((match: (string | undefined)[]) => match[1] ?? match[2] ?? match[3] ?? '')
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => ({
      from: relative(join(root, 'src'), file),
      to: relative(join(root, 'src'), resolve(dirname(file), specifier)),
    }));
}

/** Files of `folder` that its door exports, through inner doors as well. */
export function findExported(folder: string, edges: readonly Edge[]): ReadonlySet<string> {
  const exported = new Set<string>();
  const doors = [`${folder}/index.ts`];
  for (const door of doors) {
    for (const { from, to } of edges) {
      if (from !== door) continue;
      exported.add(to);
      if (to.endsWith('/index.ts')) doors.push(to);
    }
  }
  return exported;
}

/** One sentence per rule that the edge breaks; `exported` are the files that doors of `byFile` folders export. */
export function findViolations(edge: Edge, exported: ReadonlySet<string> = exportedFiles): string[] {
  const [fromFolder = '', fromSub = ''] = edge.from.split('/');
  const [toFolder = '', toSub = ''] = edge.to.split('/');
  const fromLevel = layers.levels[fromFolder];
  const toLevel = layers.levels[toFolder];
  const name = `${edge.from} -> ${edge.to}`;
  if (fromLevel === undefined || toLevel === undefined) return [`${name}: a folder has no level in layers.json`];
  if (fromFolder === toFolder) return findInnerViolations(name, fromFolder, fromSub, toSub);
  const found: string[] = [];
  const isCompose = edge.from.endsWith('/compose.ts');
  if (fromLevel <= toLevel) found.push(`${name}: goes up or sideways`);
  if (layers.composeOnly.includes(toFolder) && !isCompose) found.push(`${name}: only compose.ts may name an adapter`);
  if (layers.forbidden[fromFolder]?.includes(toFolder) === true) found.push(`${name}: forbidden`);
  const file = edge.to.split('/').slice(1).join('/');
  const isExported = layers.byFile.includes(toFolder) && exported.has(edge.to);
  const isDoor = file === 'index.ts' || file === 'ports.ts' || isExported;
  if (!layers.open.includes(toFolder) && toFolder !== 'adapters' && !isDoor)
    found.push(`${name}: not through the door`);
  if (layers.portsOnly[fromFolder]?.includes(toFolder) === true && file !== 'ports.ts') {
    found.push(`${name}: an adapter sees ports only`);
  }
  return found;
}

function findInnerViolations(name: string, folder: string, fromSub: string, toSub: string): string[] {
  const isSub = (part: string): boolean => !part.endsWith('.ts');
  const strangers = isSub(fromSub) && isSub(toSub) && fromSub !== toSub;
  if (folder === 'adapters' && strangers) return [`${name}: adapters do not see each other`];
  if (folder === 'formats' && strangers) return [`${name}: formats do not see each other`];
  return [];
}

/** Files on an import circle, as "a -> b -> a", or []. */
export function findCircle(edges: readonly Edge[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    if (state.get(file) === 'done') return [];
    if (state.get(file) === 'open') return [...path.slice(path.indexOf(file)), file];
    state.set(file, 'open');
    path.push(file);
    for (const to of next.get(file) ?? []) {
      const circle = visit(to);
      if (circle.length > 0) return circle;
    }
    path.pop();
    state.set(file, 'done');
    return [];
  };
  for (const file of next.keys()) {
    const circle = visit(file);
    if (circle.length > 0) return circle;
  }
  return [];
}

const files = listSources(join(root, 'src'));
const edges = files.flatMap((file) => readEdges(file, readFileSync(file, 'utf8')));
const exportedFiles = new Set(layers.byFile.flatMap((folder) => [...findExported(folder, edges)]));

describe('architecture', () => {
  test('imports go down, through doors, and only compose.ts names adapters', () => {
    expect(edges.length).toBeGreaterThan(10);
    expect(edges.flatMap((edge) => findViolations(edge))).toEqual([]);
  });

  test('no import circle, type imports included', () => {
    expect(findCircle(edges)).toEqual([]);
  });

  test('no command loads the whole library: its door is for programs of others', () => {
    expect(edges.filter(({ to }) => to === 'workflows/index.ts')).toEqual([]);
  });

  test('the test itself fails on an import that goes up, sideways, round a door or in a circle', () => {
    expect(findViolations({ from: 'core/bytes.ts', to: 'model/types.ts' })).toHaveLength(1);
    expect(findViolations({ from: 'seal/seal.ts', to: 'ledger/index.ts' })).toHaveLength(1);
    expect(findViolations({ from: 'workflows/protect.ts', to: 'seal/floe.ts' })).toHaveLength(1);
    const exported = findExported('workflows', [
      { from: 'workflows/index.ts', to: 'workflows/graph/index.ts' },
      { from: 'workflows/graph/index.ts', to: 'workflows/graph/look.ts' },
      { from: 'workflows/graph/look.ts', to: 'workflows/staged.ts' },
    ]);
    expect(findViolations({ from: 'cli/main.ts', to: 'workflows/graph/look.ts' }, exported)).toEqual([]);
    expect(findViolations({ from: 'cli/main.ts', to: 'workflows/staged.ts' }, exported)).toHaveLength(1);
    expect(findViolations({ from: 'cli/main.ts', to: 'adapters/kms/local.ts' })).toHaveLength(1);
    expect(findViolations({ from: 'cli/compose.ts', to: 'adapters/kms/local.ts' })).toEqual([]);
    expect(findViolations({ from: 'adapters/kms/local.ts', to: 'adapters/runtime/node.ts' })).toHaveLength(1);
    expect(
      findCircle([
        { from: 'a', to: 'b' },
        { from: 'b', to: 'a' },
      ]),
    ).toEqual(['a', 'b', 'a']);
    expect(readEdges(join(root, 'src/core/x.ts'), "import type { A } from '../model/types.ts';")).toHaveLength(1);
  });

  test('formats never open paths themselves: they read sources that are handed to them', () => {
    const formats = files.filter((file) => relative(root, file).startsWith(join('src', 'formats')));
    expect(formats.length).toBeGreaterThan(20);
    const opening = formats.filter((file) => /['"](node:)?fs(\/promises)?['"]/.test(readFileSync(file, 'utf8')));
    expect(opening.map((file) => relative(root, file))).toEqual([]);
  });

  test('no bare Error, no utils folder', () => {
    const bare = files.filter((file) => readFileSync(file, 'utf8').includes('throw new Error('));
    const allowed = bare.filter((file) => !/throw new Error\(\s*[`'"]internal error:/.test(readFileSync(file, 'utf8')));
    expect(allowed.map((file) => relative(root, file))).toEqual([]);
    expect(files.filter((file) => /\/utils?(\/|\.ts$)/.test(file))).toEqual([]);
  });
});
