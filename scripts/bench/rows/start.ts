/** What a command costs before it works: CPU of whole processes against a Node that does nothing. */
import { cpSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { toMedian } from '../samples.ts';
import type { BenchCase, BenchCommand, BenchMeasure, BenchRow, BenchVerdict } from '../types.ts';

const root = resolve(import.meta.dirname, '../../..');
const PAIRS = 16;

function modelward(...args: readonly string[]): BenchCommand {
  return { command: process.execPath, args: [join(root, 'bin/modelward.js'), ...args] };
}

function toCase(ours: BenchCommand, ratioMax: number): BenchCase {
  const yardstick = { command: process.execPath, args: ['-e', '0'] };
  return { ours, yardstick, pairs: PAIRS, judge: (measure) => judge(measure, ratioMax) };
}

function judge({ ours, yardstick }: BenchMeasure, ratioMax: number): BenchVerdict {
  const cpuMs = toMedian(ours.map((sample) => sample.cpuMs));
  const nodeMs = toMedian(yardstick.map((sample) => sample.cpuMs));
  const ratio = toMedian(ours.map((sample, index) => sample.cpuMs / yardstick[index].cpuMs));
  const figure = `${ratio.toFixed(1)} x (median of ${ours.length} pairs), ${cpuMs.toFixed(0)} ms against ${nodeMs.toFixed(0)} ms`;
  return { figure, met: ratio <= ratioMax };
}

export const rows: readonly BenchRow[] = [
  {
    id: 'start-version',
    title: 'modelward --version, against node -e 0',
    bar: 'CPU <= 2.5 x',
    diskBytes: 0,
    prepare: () => Promise.resolve(toCase(modelward('--version'), 2.5)),
  },
  {
    id: 'start-seal',
    title: 'modelward seal of a 346 KiB model, ledger and key included, against node -e 0',
    bar: 'CPU <= 7 x',
    diskBytes: 2 ** 22,
    prepare: (folder) => {
      cpSync(join(root, 'samples/mlp.onnx'), join(folder, 'mlp.onnx'));
      mkdirSync(join(folder, 'out'));
      const out = join(folder, 'out', 'mlp.seal');
      const seal = modelward('seal', join(folder, 'mlp.onnx'), '--out', out, '--home', join(folder, 'home'), '--force');
      return Promise.resolve(toCase(seal, 7));
    },
  },
];
