/** What is right or wrong, not fast or slow: bytes that stay, files that are refused, edits that change no output. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sharedData } from '../../../test/shared-data.ts';
import { readOutput, runSource } from '../samples.ts';
import { findDataObstacle, root, testsRow } from '../tests-row.ts';
import type { BenchRow } from '../types.ts';

const suite = sharedData('onnx-backend-v1.21.0.tar.gz');

const byteExact: BenchRow = {
  id: 'formats-byte-exact',
  title: 'models written without an edit, compared with their files to the byte',
  bar: '100 %',
  diskBytes: 0,
  findObstacle: findDataObstacle,
  prepare: () => {
    const models = readdirSync(sharedData('models')).map((name) => sharedData('models', name));
    return Promise.resolve({
      ours: runSource('formats-byte-exact.ts', [suite, ...models]),
      yardstick: null,
      pairs: 1,
      judge: ({ ours: [sample] }) => {
        const groups = {
          suite: 'of the ONNX backend suite',
          real: 'real models (ONNX, safetensors, TFLite)',
          odd: 'odd ONNX encodings made by hand',
          encodings: 'random legal ONNX encodings',
          layouts: 'random legal TFLite layouts',
        };
        const counts = Object.entries(groups).map(([id, words]) => {
          const [same, total] = sample.output?.[id] as readonly [number, number];
          return { text: `${same} of ${total} ${words}`, isAll: same === total && total > 0 };
        });
        return { figure: counts.map(({ text }) => text).join(', '), met: counts.every(({ isAll }) => isAll) };
      },
    });
  },
};

const MUTANTS = 20_000;
const TITLES = { onnx: 'ONNX', safetensors: 'safetensors', gguf: 'GGUF', tflite: 'TFLite', pytorch: 'PyTorch' };

function mutationsRow(format: keyof typeof TITLES, seed: number): BenchRow {
  return {
    id: `formats-mutations-${format}`,
    title: `${MUTANTS} ${TITLES[format]} files with structure-aware mutations, of a seed that no test has: opened, read, and written back when they open`,
    bar: '0 crashes, none takes 2 s, memory grows by less than 300 MiB',
    diskBytes: 0,
    prepare: () =>
      Promise.resolve({
        ours: runSource('formats-mutations.ts', [format, String(MUTANTS), String(seed)]),
        yardstick: null,
        pairs: 1,
        judge: ({ ours: [sample] }) => {
          const [opened, codes] = [readOutput(sample, 'opened'), readOutput(sample, 'codes')];
          const [slowest, grown] = [readOutput(sample, 'slowestMs'), readOutput(sample, 'rssGrowthMib')];
          return {
            figure: `${MUTANTS - opened} refused by ${codes} different codes, ${opened} opened and written back to the byte; slowest ${slowest.toFixed(0)} ms of CPU, memory +${grown.toFixed(0)} MiB`,
            met: slowest < 2000 && grown < 300,
          };
        },
      }),
  };
}

interface Edits {
  readonly edit: string;
  readonly models: number;
  readonly different: readonly (readonly [model: string, reason: string])[];
}

const sameOutputs: BenchRow = {
  id: 'surgery-same-outputs',
  title: 'models of the ONNX backend suite that run here, edited in ways that must not change what they compute',
  bar: '>= 99 % give the same outputs after every kind of edit, exceptions named, 0 made invalid',
  diskBytes: 0,
  findObstacle: findDataObstacle,
  prepare: () =>
    Promise.resolve({
      ours: runSource('surgery-same.ts', [suite]),
      yardstick: null,
      pairs: 1,
      judge: ({ ours: [sample] }) => {
        const edits = sample.output?.edits as readonly Edits[];
        const isMet = edits.every(({ models, different }) => models > 0 && different.length <= 0.01 * models);
        const invalid = edits.flatMap(({ different }) =>
          different.filter(([, reason]) => reason.startsWith('invalid')),
        );
        return {
          figure: `${edits.map(toEditText).join('; ')}; ${invalid.length} made invalid`,
          met: isMet && invalid.length === 0,
        };
      },
    }),
};

function toEditText({ edit, models, different }: Edits): string {
  const text = `${edit} ${models - different.length} of ${models}`;
  if (different.length === 0) return text;
  const names = different.map(([name]) => name).sort();
  return `${text}, but ${names.join(', ')} (the first: ${different[0][1].slice(0, 120).replaceAll('|', '/')})`;
}

/** The test files that docs/published-attacks.md names. */
function listAttackTests(): readonly string[] {
  const page = readFileSync(join(root, 'docs/published-attacks.md'), 'utf8');
  return [...new Set(Array.from(page.matchAll(/`(\S+\.test\.ts) › /g), ([, file]) => file))];
}

const attacks = testsRow({
  id: 'formats-attacks',
  title:
    'published attacks on readers of model files (docs/published-attacks.md), each with its code, and all other refusals of the files that hold them',
  bar: 'every case refused with its code',
  files: () => ['src/formats/published-attacks.test.ts', ...listAttackTests()],
});

const oracles = testsRow({
  id: 'formats-oracles',
  title: 'tensors as the packages onnx, safetensors and gguf, the TFLite runtime and Python’s pickle tools read them',
  bar: 'every tensor the same',
  files: () =>
    ['onnx', 'safetensors', 'gguf', 'tflite', 'pytorch'].map((name) => `test/oracle/formats.${name}.test.ts`),
  findObstacle: () => {
    const python = join(root, 'test/oracles/.venv/bin/python');
    return existsSync(python) ? null : 'needs the packages of test/oracles/requirements.txt';
  },
});

const examples = testsRow({
  id: 'surgery-examples',
  title:
    'the twelve published examples of onnx-graphsurgeon, the verbs of Polygraphy’s surgeon, and the tour of both, done and run',
  bar: 'each of the twelve, every verb',
  files: () => ['graphsurgeon', 'polygraphy', 'tour'].map((name) => `test/surgery/${name}.test.ts`),
});

const flips = testsRow({
  id: 'tamper-bit-located',
  title: 'single-bit changes at 1,000 random places of each model, located by verify with the baseline alone',
  bar: '100 %',
  files: () => ['src/tamper/flips.test.ts'],
  env: { SLOW: '1' },
});

export const rows: readonly BenchRow[] = [
  byteExact,
  ...(['onnx', 'safetensors', 'gguf', 'tflite', 'pytorch'] as const).map((format, i) => mutationsRow(format, 901 + i)),
  ...[attacks, oracles, sameOutputs, examples, flips],
];
