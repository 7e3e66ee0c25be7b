/** Every snippet of docs/tour-graphsurgeon.md is run; the twins of a job, TypeScript and commands, give the same. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import ts from 'typescript';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import { main } from '../../src/cli/main.ts';
import * as formats from '../../src/formats/index.ts';
import * as source from '../../src/source/index.ts';
import * as surgery from '../../src/surgery/index.ts';
import { openBytes } from '../formats/models.ts';
import { importable } from '../importable.ts';
import { type Numbers, runBytes } from './run.ts';

const root = resolve(import.meta.dirname, '../..');
const hasNode = await importable('onnxruntime-node');

interface Job {
  readonly title: string;
  readonly code: string;
  readonly commands: readonly string[];
}

const text = readFileSync(join(root, 'docs/tour-graphsurgeon.md'), 'utf8');
const setup = /```ts setup\n([\s\S]*?)```/.exec(text)![1];
const jobs = text
  .split(/^## (?=\d\d )/m)
  .slice(1)
  .map((part): Job => {
    const block = (language: string): string =>
      [...part.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))]
        .map((match) => match[1])
        .join('\n');
    return { title: part.split('\n')[0], code: block('ts'), commands: block('sh').trim().split('\n') };
  });

const rows = jobs.map((job) => [job.title, job] as const);

let folder = '';
const start = process.cwd();
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-tour-'));
  copyFileSync(join(root, 'samples/cnn.onnx'), join(folder, 'cnn.onnx'));
  // Snippets and commands name files as a user in that folder does.
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(start);
  rmSync(folder, { recursive: true, force: true });
});

const modules: Readonly<Record<string, unknown>> = {
  'node:fs': { readFileSync, writeFileSync },
  'modelward/formats': formats,
  'modelward/source': source,
  'modelward/surgery': surgery,
};

/** Runs TypeScript as a module of its own would: types go, imports are taken from the sources of this checkout. */
async function runSnippet(code: string): Promise<readonly string[]> {
  const imports = /^import \{([^}]*)\} from '([^']+)';$/gm;
  const body = `${setup}\n{\n${code}\n}`.replaceAll(imports, (_, names: string, module: string) => {
    const values = names.split(',').filter((name) => !name.trim().startsWith('type '));
    return `const {${values.join()}} = modules['${module}'];`;
  });
  const target = ts.ScriptTarget.ES2022;
  const options: ts.CompilerOptions = { target, module: ts.ModuleKind.ESNext };
  const { outputText } = ts.transpileModule(`async function snippet() {${body}}`, { compilerOptions: options });
  const lines: string[] = [];
  const print = { log: (line: string) => lines.push(line) };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the text is a document of this repository
  const create = new Function('modules', 'console', `${outputText}; return snippet;`) as (
    ...args: unknown[]
  ) => () => Promise<void>;
  await create(modules, print)();
  return lines;
}

/** The words of a command line; single quotes keep a word together. */
function toWords(line: string): string[] {
  return [...line.matchAll(/'[^']*'|\S+/g)].map(([word]) => word.replace(/^'(.*)'$/, '$1'));
}

const close = (values: readonly number[]): readonly number[] => values.map((value) => Number(value.toFixed(4)));

/** What the model gives on the sample feeds of our own. */
async function runFile(name: string): Promise<Readonly<Record<string, Numbers>>> {
  const bytes = new Uint8Array(readFileSync(name));
  const { inputs } = openBytes(bytes, name).graph!;
  const feeds = surgery.findSampleFeeds(inputs, {
    dims: new Map([
      ['N', 3],
      ['height', 2],
    ]),
  })!;
  const given = Array.from(feeds, ([input, { dtype, shape, data }]) => {
    const values = [...new Float32Array(Uint8Array.from(data).buffer)];
    return [input, { dtype, shape, values }] as const;
  });
  const outputs = await runBytes(await openNodeRuntime(), bytes, Object.fromEntries(given));
  return Object.fromEntries(
    Object.entries(outputs).map(([output, { shape, values }]) => [output, { shape, values: close(values) }]),
  );
}

test('there are twelve jobs, each with its twins', () => {
  expect(jobs.map(({ title }) => title.slice(0, 2))).toEqual(
    Array.from({ length: 12 }, (_, at) => String(at + 1).padStart(2, '0')),
  );
  for (const { code, commands } of jobs) {
    expect(code).toContain('editGraph(');
    expect(commands.every((line) => line.startsWith('modelward graph '))).toBe(true);
  }
});

describe('the snippets of the tour', () => {
  test.each(rows)('%s: the snippets run, and both models are valid', async (title, { code, commands }) => {
    const name = title.slice(0, 2);
    const lines = await runSnippet(code);
    expect(lines).toEqual(name === '05' ? ['12 bytes of constants'] : []);
    for (const line of commands) expect(await main([...toWords(line).slice(1), '--quiet', '--home', 'home'])).toBe(0);
    for (const file of [`${name}.onnx`, `${name}-cli.onnx`]) {
      expect(surgery.validateGraph(openBytes(new Uint8Array(readFileSync(file)), file)).problems).toEqual([]);
    }
  });

  test.runIf(hasNode).each(rows)('%s: the model of the commands gives what that of the code gives', async (title) => {
    const name = title.slice(0, 2);
    const twins = [await runFile(`${name}.onnx`), await runFile(`${name}-cli.onnx`)];
    expect(twins[1]).toEqual(twins[0]);
    expect(
      Object.values(twins[0])
        .flatMap(({ values }) => values)
        .every(Number.isFinite),
    ).toBe(true);
  });
});
