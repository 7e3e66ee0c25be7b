/** Speed and memory of sealing: buffer to buffer, file to file, one small range, and the peak at 1 and 8 GiB. */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { sealSource } from '../../../src/seal/index.ts';
import { readOutput, runCase, toMedian } from '../samples.ts';
import type { BenchCase, BenchMeasure, BenchRow, BenchSample } from '../types.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Median over the pairs of a figure of both sides. */
function toPairMedian({ ours, yardstick }: BenchMeasure, figure: (a: BenchSample, b: BenchSample) => number): number {
  return toMedian(ours.map((sample, index) => figure(sample, yardstick[index])));
}

function bufferRow(verb: 'seal' | 'open', direction: 'encrypt' | 'decrypt'): BenchRow {
  return {
    id: `seal-buffer-${verb}`,
    title: `${verb} buffer to buffer, 1 MiB segments, against openssl speed aes-256-gcm (${direction})`,
    bar: '>= 60 % of openssl per CPU second (stretch 80 %)',
    diskBytes: 0,
    prepare: () =>
      Promise.resolve({
        ours: runCase('seal-buffer.js', [verb, '3']),
        yardstick: runCase('seal-openssl.js', [direction, '3']),
        pairs: 6,
        judge: (measure) => {
          const rate = (sample: BenchSample): number => readOutput(sample, 'bytesPerCpuSecond');
          const ratio = toPairMedian(measure, (a, b) => rate(a) / rate(b));
          const speed = toMedian(measure.ours.map(rate)) / 1e9;
          return {
            figure: `${(100 * ratio).toFixed(0)} % of openssl, ${speed.toFixed(2)} GB per CPU second`,
            met: ratio >= 0.6,
          };
        },
      }),
  };
}

/** Writes `sizeBytes` of random bytes, one random MiB with a counter in each. */
function writePlain(path: string, sizeBytes: number): void {
  const block = randomFillSync(Buffer.alloc(MIB));
  const fd = openSync(path, 'wx');
  for (let at = 0; at < sizeBytes; at += MIB) {
    block.writeUInt32LE(at / MIB);
    writeSync(fd, block);
  }
  closeSync(fd);
}

function fileRow(verb: 'seal' | 'open', direction: 'encrypt' | 'decrypt'): BenchRow {
  const sizeBytes = 2 * GIB;
  return {
    id: `seal-file-${verb}`,
    title: `${verb} 2 GiB file to file, against a plain 1 MiB read/write copy plus bytes / openssl's rate`,
    bar: 'CPU <= 1.3 x',
    diskBytes: 4 * sizeBytes,
    prepare: (folder) => {
      const [plain, sealed, opened, copy] = ['plain', 'sealed', 'opened', 'copy'].map((name) => join(folder, name));
      writePlain(plain, sizeBytes);
      if (verb === 'open') sealFile(plain, sealed, sizeBytes);
      const output = verb === 'seal' ? sealed : opened;
      const remove = (path: string) => (): void => {
        rmSync(path, { force: true });
      };
      const bench: BenchCase = {
        ours: runCase('seal-file.js', [verb, plain, sealed, opened], remove(output)),
        yardstick: runCase('seal-openssl.js', [direction, '2', verb === 'seal' ? plain : sealed, copy], remove(copy)),
        pairs: 10,
        judge: (measure) => {
          const ratio = toPairMedian(measure, (a, b) => {
            const cipherMs = (1000 * sizeBytes) / readOutput(b, 'bytesPerCpuSecond');
            return a.cpuMs / (readOutput(b, 'copyCpuMs') + cipherMs);
          });
          const cpu = toMedian(measure.ours.map((sample) => sample.cpuMs));
          const work = toMedian(measure.ours.map((sample) => readOutput(sample, 'workCpuMs')));
          const figure = `${ratio.toFixed(2)} x, ${cpu.toFixed(0)} ms CPU, ${work.toFixed(0)} ms of it after Node's start`;
          return { figure, met: ratio <= 1.3 };
        },
      };
      return Promise.resolve(bench);
    },
  };
}

/** Seals `sizeBytes` of the file at `plain`; without a file, of bytes that are made up as they are read. */
function sealFile(plain: string | null, sealed: string, sizeBytes: number): void {
  const input = plain === null ? null : openSync(plain, 'r');
  const output = openSync(sealed, 'wx');
  sealSource({
    source: {
      label: 'model',
      size: sizeBytes,
      read: (offset, into) => {
        if (input === null) into.fill(offset % 251);
        else if (readSync(input, into, 0, into.length, offset) !== into.length)
          throw new Error('internal error: input too short');
      },
      close: () => undefined,
    },
    sink: {
      write: (chunk) => {
        writeSync(output, chunk);
      },
    },
    dek: new Uint8Array(32).fill(7),
    model: { name: 'model' },
    format: 'bytes',
    clock: { nowMs: () => Date.now() },
    random: { fill: (into) => randomFillSync(into) },
  });
  closeSync(output);
  if (input !== null) closeSync(input);
}

const rangeRow: BenchRow = {
  id: 'seal-range',
  title: 'a range of 4 KiB out of an 8 GiB seal, opening included',
  bar: '<= 2 segments read, <= 5 ms CPU',
  diskBytes: 8.1 * GIB,
  prepare: (folder) => {
    const sealed = join(folder, 'sealed');
    sealFile(null, sealed, 8 * GIB);
    return Promise.resolve({
      ours: runCase('seal-range.js', [sealed]),
      yardstick: null,
      pairs: 3,
      judge: ({ ours }) => {
        const segments = Math.max(...ours.map((sample) => readOutput(sample, 'segmentsMost')));
        const cpuMs = toMedian(ours.map((sample) => readOutput(sample, 'cpuMsMedian')));
        const figure = `${segments} segments at most, ${cpuMs.toFixed(2)} ms CPU (median of 40 ranges)`;
        return { figure, met: segments <= 2 && cpuMs <= 5 };
      },
    });
  },
};

const memoryRow: BenchRow = {
  id: 'seal-memory',
  title: 'peak memory of sealing and opening 8 GiB file to file, and of 1 GiB',
  bar: '<= 128 MB RSS at 1 and 8 GiB',
  diskBytes: 24.2 * GIB,
  prepare: (folder) => {
    const [plain8, plain1, sealed, opened] = ['plain8', 'plain1', 'sealed', 'opened'].map((name) => join(folder, name));
    writePlain(plain8, 8 * GIB);
    writePlain(plain1, GIB);
    const clean = (): void => {
      rmSync(sealed, { force: true });
      rmSync(opened, { force: true });
    };
    return Promise.resolve({
      ours: runCase('seal-file.js', ['both', plain8, sealed, opened], clean),
      yardstick: runCase('seal-file.js', ['both', plain1, sealed, opened], clean),
      pairs: 1,
      judge: ({ ours, yardstick }) => {
        const [at8, at1] = [ours, yardstick].map((side) => Math.max(...side.map((each) => each.peakRssMib ?? NaN)));
        const figure = `${at8.toFixed(0)} MiB at 8 GiB, ${at1.toFixed(0)} MiB at 1 GiB`;
        return { figure, met: Math.max(at8, at1) * MIB <= 128e6 };
      },
    });
  },
};

export const rows: readonly BenchRow[] = [
  bufferRow('seal', 'encrypt'),
  bufferRow('open', 'decrypt'),
  fileRow('seal', 'encrypt'),
  fileRow('open', 'decrypt'),
  rangeRow,
  memoryRow,
];
