/** Output marks: what each kind costs in time and size on real models, and stamping a large file against a plain copy. */
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sharedData } from '../../../test/shared-data.ts';
import { writeImageNetwork } from '../image-network.ts';
import { LARGE_ONNX_BYTES, writeLargeOnnx } from '../large-onnx.ts';
import { readOutput, runCase, toMedian } from '../samples.ts';
import type { BenchRow } from '../types.ts';

const MIB = 2 ** 20;
const KIB = 1024;
const bin = resolve(import.meta.dirname, '../../../bin/modelward.js');

const copyDigits = (path: string): void => {
  copyFileSync(resolve(import.meta.dirname, '../../../samples/cnn-large.onnx'), path);
};

const copyFaces = (path: string): void => {
  copyFileSync(sharedData('models/ultraface_rfb320.onnx'), path);
};

interface Subject {
  readonly kind: string;
  readonly words: string;
  readonly write: (path: string) => void;
  /** Largest ratio of times. */
  readonly ratioMax: number;
  /** Largest growth of the file. */
  readonly kibMax: number;
}

const SUBJECTS: readonly Subject[] = [
  { kind: 'boxes', words: 'ultraface, 14 boxes', write: copyFaces, ratioMax: 1.1, kibMax: 4 },
  { kind: 'scores', words: 'cnn-large, 64 times 10 scores', write: copyDigits, ratioMax: 1.1, kibMax: 20 },
  { kind: 'signature', words: 'cnn-large, batch of 64', write: copyDigits, ratioMax: 1.1, kibMax: 4 },
  { kind: 'checksum', words: 'cnn-large, 64 times 10 scores', write: copyDigits, ratioMax: 1.1, kibMax: 4 },
  { kind: 'image', words: 'super resolution to 672 x 672, text', write: writeImageNetwork, ratioMax: 1.1, kibMax: 256 },
  { kind: 'hidden', words: 'super resolution to 672 x 672', write: writeImageNetwork, ratioMax: 1.1, kibMax: 256 },
];

function toRow({ kind, words, write, ratioMax, kibMax }: Subject): BenchRow {
  return {
    id: `stamp-${kind}`,
    title: `output mark "${kind}": time and size beside the unmarked model (${words})`,
    bar: `<= ${ratioMax} x the CPU time of the unmarked model, <= ${kibMax} KiB more`,
    diskBytes: 16 * MIB,
    prepare: (folder) => {
      if (kind === 'boxes' && !existsSync(sharedData('models')))
        return Promise.reject(new Error('needs ../shared/data'));
      const path = join(folder, 'm.onnx');
      write(path);
      return Promise.resolve({
        ours: runCase('stamp-effect.js', [kind, path]),
        yardstick: null,
        pairs: 3,
        judge: ({ ours }) => {
          const median = (name: string): number => toMedian(ours.map((sample) => readOutput(sample, name)));
          const kib = (median('bytesAfter') - median('bytesBefore')) / KIB;
          const cpu = median('cpu');
          const range = `middle half ${median('cpuLow').toFixed(3)} to ${median('cpuHigh').toFixed(3)}`;
          const figure = `${cpu.toFixed(3)} x CPU (median of 41 pairs, ${range}; wall ${median('wall').toFixed(2)} x), ${kib.toFixed(1)} KiB more`;
          const isRight = ours.every(({ output }) => output?.isRight === true);
          return {
            figure: isRight ? figure : `${figure}, NOT READ BACK`,
            met: isRight && cpu <= ratioMax && kib <= kibMax,
          };
        },
      });
    },
  };
}

const large: BenchRow = {
  id: 'stamp-large',
  title: 'put a signature into the outputs of an ONNX file of 1.57 GB, by the command, written anew and synced',
  bar: '<= 1.3 x the CPU time of a copy that is hashed, peak RSS < 160 MiB',
  diskBytes: 3 * LARGE_ONNX_BYTES,
  prepare: (folder) => {
    const [path, out, copy] = ['m.onnx', 'out.onnx', 'copy.onnx'].map((name) => join(folder, name));
    writeLargeOnnx(path);
    const clear = (): void => {
      for (const file of [out, `${out}.mark.json`, copy]) rmSync(file, { force: true });
    };
    const words = ['stamp', 'signature', path, '--licence', '(c) Acme', '--no-measure', '--out', out, '--json'];
    return Promise.resolve({
      ours: { command: process.execPath, args: [bin, ...words], before: clear },
      yardstick: runCase('stamp-copy.js', [path, copy], clear),
      pairs: 6,
      judge: ({ ours, yardstick }) => {
        const peak = Math.max(...ours.map(({ peakRssMib }) => peakRssMib ?? NaN));
        const wall = toMedian(yardstick.map((sample, i) => ours[i].wallMs / sample.wallMs));
        const cpu = toMedian(yardstick.map((sample, i) => ours[i].cpuMs / sample.cpuMs));
        const seconds = toMedian(ours.map(({ wallMs }) => wallMs / 1000));
        const grown = ours.map(({ output }) => Number(output?.bytesAfter) - Number(output?.bytesBefore));
        const isRight = grown.every((bytes) => bytes > 0 && bytes < KIB);
        const figure = `${cpu.toFixed(2)} x CPU (median of ${ours.length} pairs; wall ${wall.toFixed(2)} x, ${seconds.toFixed(1)} s), ${peak.toFixed(0)} MiB`;
        return { figure: isRight ? figure : `${figure}, WRONG OUTPUT`, met: isRight && cpu <= 1.3 && peak < 160 };
      },
    });
  },
};

export const rows: readonly BenchRow[] = [...SUBJECTS.map(toRow), large];
