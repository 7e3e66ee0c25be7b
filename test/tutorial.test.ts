/** Every command of docs/tutorial-detector.md is run in its order, and the lines under it are found in its output. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorkplace, root, type Run, type Workplace } from './e2e/command.ts';
import { describeWithShared, sharedData } from './shared-data.ts';

/** The id that the document shows; every mark has its own. */
const SHOWN_ID = '1f2e3d4c';

interface Block {
  readonly language: string;
  /** Of a file to save. */
  readonly name: string;
  readonly lines: readonly string[];
}

interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

const sections = readFileSync(join(root, 'docs/tutorial-detector.md'), 'utf8')
  .split(/^## /m)
  .slice(1)
  .map((part): Section => {
    const blocks = [...part.matchAll(/^```(sh|text|json) ?(\S*)\n([\s\S]*?)^```/gm)];
    return {
      title: part.split('\n')[0],
      blocks: blocks.map(([, language, name, text]) => ({ language, name, lines: text.trimEnd().split('\n') })),
    };
  })
  .filter(({ blocks }) => blocks.length > 0);

let place: Workplace;
beforeAll(() => {
  place = createWorkplace();
});
afterAll(() => {
  place.remove();
});
const at = (name: string): string => join(place.folder, name);

/** The object that a command prints that exits 0. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller names what it asked for
function runJson<T extends object>(words: readonly string[]): T {
  const [{ status, stdout }] = place.runAll([[...words, '--json', '--quiet']]);
  if (status !== 0) throw new TypeError(`exit ${String(status)}: ${stdout}`);
  return JSON.parse(stdout) as T;
}

/** The words of a command line; double quotes keep a word together. */
function toWords(line: string): string[] {
  return [...line.matchAll(/"[^"]*"|\S+/g)].map(([word]) => word.replace(/^"(.*)"$/, '$1').replace('$CHECKOUT', root));
}

const NOTHING: Run = { status: 0, stdout: '', stderr: '' };

/** The other programs that the tutorial uses. */
function runLine([program, ...words]: readonly string[]): Run {
  switch (program) {
    case 'cp':
      for (const file of words.slice(0, -1)) copyFileSync(file, at(basename(file)));
      return NOTHING;
    case 'cmp': {
      const [a, b] = words.map((name) => readFileSync(at(name)));
      return { ...NOTHING, status: a.equals(b) ? 0 : 1 };
    }
    default: {
      // A program of the checkout, by its path: nothing else is in the folder of the tutorial.
      if (!program.startsWith(root)) throw new TypeError(`the tutorial runs ${program}`);
      const { status, stdout, stderr } = spawnSync(program, words, { cwd: place.folder, encoding: 'utf8' });
      return { status, stdout, stderr };
    }
  }
}

/** The id of the mark in this run. */
function findId(): string {
  return runJson<{ marks: { id: string }[] }>(['stamp', 'list', 'licensed.onnx']).marks[0].id;
}

const squeezed = (line: string): string => line.replaceAll(/\s+/g, ' ').trim();

/** What a block prints, with an exit line behind every command that did not exit 0. */
function runBlock(lines: readonly string[], id: string | undefined): string[] {
  const commands = lines.map((line) => toWords(id === undefined ? line : line.replaceAll(SHOWN_ID, id)));
  const runs: Run[] = [];
  while (runs.length < commands.length) {
    const rest = commands.slice(runs.length);
    const other = rest.findIndex(([program]) => program !== 'modelward');
    if (other === 0) runs.push(runLine(rest[0]));
    else runs.push(...place.runAll(rest.slice(0, other < 0 ? rest.length : other).map(([, ...words]) => words)));
  }
  return runs.flatMap(({ status, stdout, stderr }) => {
    const printed = `${stdout}\n${stderr}`.replaceAll(`${place.folder}/`, '').split('\n').map(squeezed);
    return [...printed, ...(status === 0 ? [] : [`exit ${String(status)}`])];
  });
}

const isExit = (line: string): boolean => /^exit \d+$/.test(line);

/** Every expected line is part of a printed one, in the same order; exit codes are exactly those that are expected. */
function expectLines(printed: readonly string[], expected: readonly string[]): void {
  expect(printed.filter(isExit), printed.join('\n')).toEqual(expected.filter(isExit));
  let from = 0;
  for (const line of expected.map(squeezed)) {
    const found = printed.findIndex((one, index) => index >= from && one.includes(line));
    expect(found, `"${line}" in\n${printed.slice(from).join('\n')}`).toBeGreaterThanOrEqual(0);
    from = found + 1;
  }
}

test('the tutorial has nine parts with commands, and says of each what it prints', () => {
  expect(sections.map(({ title }) => Number(title.split(' ')[0]))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const languages = sections.flatMap(({ blocks }) => blocks.map(({ language }) => language));
  expect(languages.filter((language) => language === 'text').length).toBeGreaterThanOrEqual(15);
});

describe('the tutorial on the sample detector', () => {
  test.each(sections.map((section) => [section.title, section.blocks] as const))('%s', (title, blocks) => {
    const id = /^[01] /.test(title) ? undefined : findId();
    for (const [index, { language, name, lines }] of blocks.entries()) {
      if (language === 'json') writeFileSync(at(name), lines.join('\n'));
      if (language !== 'sh') continue;
      const printed = runBlock(lines, id);
      const next = blocks.at(index + 1);
      const shown = id === undefined ? printed : printed.map((line) => line.replaceAll(id, SHOWN_ID));
      expectLines(shown, next?.language === 'text' ? next.lines : []);
    }
  });

  test('its pages show what it says they show', () => {
    const page = (name: string): string => readFileSync(at(name), 'utf8');
    expect(page('stamp.html').match(/class="mark"/g)).toHaveLength(15);
    expect(page('retrained.html')).toContain('Which bits differ');
    expect(page('switched.html')).toContain('t.corner');
    for (const name of ['switched.sarif', 'switched-diff.sarif']) {
      const log = JSON.parse(page(name)) as { version: string; runs: { results: { level: string }[] }[] };
      expect(log.version).toBe('2.1.0');
      expect(log.runs[0].results.length).toBeGreaterThan(0);
    }
  });
});

describeWithShared('the tutorial on ultraface', () => {
  test('name put in and read, pruned, switched and taken out: each tool says what it says of the sample', () => {
    copyFileSync(sharedData('models/ultraface_rfb320.onnx'), at('face.onnx'));
    writeFileSync(at('face-switch.json'), readFileSync(at('switch.json')));
    const shown = runJson<{ id: string; effect: { outputs: { changed: number }[] } }>([
      ...['stamp', 'boxes', 'face.onnx', '--licence', '(c) 2026 Acme, licence 7', '--out', 'face-l.onnx'],
    ]);
    expect(shown.effect.outputs.map(({ changed }) => changed)).toEqual([0, 0]);
    const { nodes } = runJson<{ nodes: { inputs: string[] }[] }>(['graph', 'find', 'face-l.onnx', '--op', 'Conv']);
    const last = ['boxes', 'scores'].map((name) => `modelward/boxes/${shown.id}/out/${name}`);
    const edits = place.runAll([
      ['baseline', 'face-l.onnx'],
      ['graph', 'prune-tensor', 'face-l.onnx', nodes[4].inputs[1], '--axis', '1', '--out', 'face-p.onnx'],
      ['graph', 'add-nodes', 'face-l.onnx', '--with', 'face-switch.json', '--out', 'face-h.onnx'],
      [
        ...['graph', 'insert-on-edge', 'face-h.onnx', 'scores', 'output', '--op', 'Where'],
        ...['--input', 't.on', 't.zero', '-', '--out', 'face-s.onnx'],
      ],
      ['graph', 'remove', 'face-l.onnx', ...last, '--reconnect', '--out', 'face-r.onnx'],
      ['graph', 'cleanup', 'face-r.onnx', '--out', 'face-a.onnx'],
      ['stamp', 'remove', 'face-l.onnx', '--mark', 'face-l.onnx.mark.json', '--out', 'face-0.onnx'],
    ]);
    expect(edits.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(readFileSync(at('face-0.onnx')).equals(readFileSync(at('face.onnx')))).toBe(true);
    const looks = place
      .runAll([
        ['verify', 'face-l.onnx'],
        ['verify', 'face-a.onnx', '--baseline', 'face-l.baseline.json'],
        ['scan', 'face-l.onnx'],
        ['scan', 'face-s.onnx'],
        ['diff', 'face-l.onnx', 'face-p.onnx', '--no-run'],
        ['diff', 'face-l.onnx', 'face-a.onnx', '--no-run'],
      ])
      .map(({ stdout }) => stdout);
    expect(looks[0]).toContain('verdict: unchanged');
    expect(looks[1]).toContain('graph-changed');
    expect(looks[2]).not.toContain('verdict: high');
    expect(looks[3]).toContain('G01  input → Slice t.corner');
    expect(looks[4]).toContain('verdict: pruned  benign');
    expect(looks[5]).toMatch(/suspicious\s+deleted\s+Concat modelward\/boxes/);
  });
});
