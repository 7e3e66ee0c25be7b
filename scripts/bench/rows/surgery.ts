/** Graph edits: the time of a small one with all that goes with it, and one of a large file against a plain copy. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sharedData } from '../../../test/shared-data.ts';
import { readTarGz } from '../../../test/tar.ts';
import { LARGE_ONNX_BYTES, writeLargeOnnx } from '../large-onnx.ts';
import { readOutput, runCase, toMedian } from '../samples.ts';
import type { BenchRow } from '../types.ts';

const MIB = 2 ** 20;
const insertLarge: BenchRow = {
  id: 'surgery-insert-large',
  title: 'insert a node into an ONNX file of 1.57 GB, written anew and synced',
  bar: '<= 1.2 x a plain copy, peak RSS < 120 MiB',
  diskBytes: 3 * LARGE_ONNX_BYTES,
  prepare: (folder) => {
    const [path, out, copy] = ['m.onnx', 'out.onnx', 'copy.onnx'].map((name) => join(folder, name));
    writeLargeOnnx(path);
    const clear = (): void => {
      rmSync(out, { force: true });
      rmSync(copy, { force: true });
    };
    return Promise.resolve({
      ours: runCase('surgery-insert.js', [path, out], clear),
      yardstick: runCase('formats-copy.js', [path, copy], clear),
      pairs: 6,
      judge: ({ ours, yardstick }) => {
        const peak = Math.max(...ours.map(({ peakRssMib }) => peakRssMib ?? NaN));
        const wall = toMedian(yardstick.map((sample, i) => ours[i].wallMs / sample.wallMs));
        const cpu = toMedian(yardstick.map((sample, i) => ours[i].cpuMs / sample.cpuMs));
        const isRight = ours.every(({ output }) => output?.isRight === true);
        const figure = `${wall.toFixed(2)} x a plain copy (median of ${ours.length} pairs; CPU ${cpu.toFixed(2)} x), ${peak.toFixed(0)} MiB`;
        return { figure: isRight ? figure : `${figure}, WRONG OUTPUT`, met: isRight && wall <= 1.2 && peak < 120 };
      },
    });
  },
};

const editSmall: BenchRow = {
  id: 'surgery-edit-small',
  title: 'load, insert a node, validate and save light densenet121 (910 nodes and their weights made by 836 more)',
  bar: '<= 15 ms after warm-up',
  diskBytes: 4 * MIB,
  prepare: (folder) => {
    const archive = sharedData('onnx-backend-v1.21.0.tar.gz');
    if (!existsSync(archive)) return Promise.reject(new Error('needs ../shared/data'));
    const path = join(folder, 'm.onnx');
    for (const entry of readTarGz(archive)) {
      if (entry.path.endsWith('light_densenet121.onnx')) writeFileSync(path, entry.bytes);
    }
    return Promise.resolve({
      ours: runCase('surgery-small.js', [path, join(folder, 'out.onnx')]),
      yardstick: null,
      pairs: 5,
      judge: ({ ours }) => {
        const median = toMedian(ours.map((sample) => readOutput(sample, 'medianMs')));
        const best = Math.min(...ours.map((sample) => readOutput(sample, 'bestMs')));
        const isRight = ours.every(({ output }) => output?.isRight === true);
        const figure = `${median.toFixed(1)} ms median, ${best.toFixed(1)} ms at best`;
        return { figure: isRight ? figure : `${figure}, WRONG OUTPUT`, met: isRight && median <= 15 };
      },
    });
  },
};

export const rows: readonly BenchRow[] = [editSmall, insertLarge];
