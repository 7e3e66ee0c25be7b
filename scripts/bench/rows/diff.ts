/** How often `diff` names what was done to real tensors, and how long the graph of the 910-node densenet121 takes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sharedData } from '../../../test/shared-data.ts';
import { edited } from '../../../test/surgery/graphs.ts';
import { readTarGz } from '../../../test/tar.ts';
import { readRuntimeModel } from '../../../src/fidelity/index.ts';
import { readOutput, runCase, runSource, toMedian } from '../samples.ts';
import type { BenchRow, BenchSample } from '../types.ts';

const samples = join(import.meta.dirname, '../../../samples');
const model = (name: string): string => sharedData('models', name);

/** Thresholds were drawn on the first list; the second was not looked at before. */
const DEVELOPMENT = [
  ...['ultraface_rfb320.onnx', 'mnist.onnx', 'residual_block.onnx'].map(model),
  join(samples, 'cnn.onnx'),
];
const HELD_OUT = [
  ...['silero_vad_op18_ifless.onnx', 'silero_vad_16k.safetensors', 'superres_prepost_op18.onnx'].map(model),
  ...['cnn-large.onnx', 'mlp.onnx', 'transformer.safetensors'].map((name) => join(samples, name)),
];

/** What was done, what was said how often, the most frequent first: "fp16: fp16-cast 128; one row edited: row-edit 90, pruned 3". */
function toTableText({ output }: BenchSample): string {
  const table = (output?.table ?? {}) as Readonly<Record<string, Readonly<Record<string, number>>>>;
  return Object.entries(table)
    .map(([done, said]) => {
      const [[kind, most], ...others] = Object.entries(said).sort(([, a], [, b]) => b - a);
      const rest = others.map(([other, count]) => `${other} ${count}`).join(', ');
      return `${done}: ${kind} ${most}${rest === '' ? '' : `, ${rest}`}`;
    })
    .join('; ');
}

const classesRow: BenchRow = {
  id: 'diff-classes',
  title: 'class of 17 changes of 12 classes on every f32 tensor of at least 16 elements of ten real models',
  bar: '>= 95 % per tensor on models that no threshold was drawn on',
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runSource('diff-classes.ts', HELD_OUT),
      yardstick: runSource('diff-classes.ts', DEVELOPMENT),
      pairs: 1,
      judge: ({ ours, yardstick }) => {
        const [held, drawn] = [ours[0], yardstick[0]].map((sample) => {
          const [right, total] = [readOutput(sample, 'right'), readOutput(sample, 'total')];
          const share = `${right} of ${total} (${((100 * right) / total).toFixed(1)} %)`;
          return { share: right / total, text: `${share}: ${toTableText(sample)}` };
        });
        return { figure: `held out ${held.text}; development ${drawn.text}`, met: held.share >= 0.95 };
      },
    }),
};

/** What was done, in words; poisonings first. */
const DONE: Readonly<Record<string, string>> = {
  flip: 'flipped labels',
  patch: 'patches',
  'patch, quantised': 'patches, then quantised',
  blend: 'faint patterns',
  source: 'patches on one class',
  ordinary: 'honest training, pruned, quantised',
  drifted: 'honest training on drifted data',
};

const poisonedRow: BenchRow = {
  id: 'diff-poisoned',
  title:
    'copies of two sample networks, trained with poisoned and with honest data on draws that no threshold saw, against their originals, with labelled data (--eval)',
  bar: '100 % of the poisoned suspected, 0 of the others',
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runSource('diff-poisoned.ts', ['bench', 'mlp:4', 'cnn:2']),
      yardstick: null,
      pairs: 1,
      judge: ({ ours: [sample] }) => {
        const counts = (sample.output?.counts ?? {}) as Readonly<Record<string, readonly [number, number]>>;
        const [found, all] = Object.entries(counts)
          .filter(([done]) => done !== 'ordinary' && done !== 'drifted')
          .reduce(([a, b], [, [c, d]]) => [a + c, b + d], [0, 0]);
        const parts = Object.entries(DONE).flatMap(([done, words]) =>
          done in counts ? [`${words} ${counts[done][0]} of ${counts[done][1]}`] : [],
        );
        const figure = `poisoned ${found} of ${all} suspected: ${parts.join(', ')}`;
        return { figure, met: all > 0 && found === all && counts.ordinary[0] === 0 };
      },
    }),
};

const graphRow: BenchRow = {
  id: 'diff-graph',
  title: 'comparison of the 910-node light densenet121 with a copy that has one node more, files opened before',
  bar: '< 1 s of CPU, one node found and no other',
  diskBytes: 2 ** 22,
  prepare: (folder) => {
    const [before, after] = ['before.onnx', 'after.onnx'].map((name) => join(folder, name));
    for (const { path, bytes } of readTarGz(sharedData('onnx-backend-v1.21.0.tar.gz'))) {
      if (!path.endsWith('light_densenet121.onnx')) continue;
      writeFileSync(before, bytes);
      const planted = edited(new Uint8Array(bytes), (tx) => {
        tx.insertAfter(tx.find({ op: 'Concat' })[20].outputs[0], { op: 'Tanh' });
      });
      writeFileSync(after, readRuntimeModel(planted).main);
    }
    return Promise.resolve({
      ours: runCase('diff-graph.js', [before, after]),
      yardstick: null,
      pairs: 4,
      judge: ({ ours }) => {
        const ms = toMedian(ours.map((sample) => readOutput(sample, 'innerCpuMs')));
        const isRight = ours.every(
          (sample) => readOutput(sample, 'inserted') === 1 && readOutput(sample, 'deleted') === 0,
        );
        return { figure: `${ms.toFixed(0)} ms of CPU in a cold process`, met: ms < 1000 && isRight };
      },
    });
  },
};

export const rows: readonly BenchRow[] = [classesRow, poisonedRow, graphRow];
