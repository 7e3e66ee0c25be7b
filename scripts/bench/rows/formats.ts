/** Memory of edits and time of indexes, whatever the size of the model. Inputs are sparse files of zero weights. */
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { runCase, toMedian } from '../samples.ts';
import type { BenchRow, BenchSample } from '../types.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function toVarint(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest];
    out.push((rest % 128) | 0x80);
  }
}

function toField(number: number, body: readonly number[]): number[] {
  return [...toVarint(number * 8 + 2), ...toVarint(body.length), ...body];
}

/** A chain of MatMul nodes over f32 initializers of 4 MiB, with holes in the file where the weights are. */
function writeSparseOnnx(path: string, sizeBytes: number): void {
  const tensorBytes = 4 * MIB;
  const count = Math.floor(sizeBytes / tensorBytes);
  const text = (value: string): number[] => [...Buffer.from(value)];
  const heads = Array.from({ length: count }, (_, i) => {
    const body = [0x08, ...toVarint(1024), 0x08, ...toVarint(1024), 0x10, 1, ...toField(8, text(`w${i}`))];
    const head = [...body, 0x4a, ...toVarint(tensorBytes)];
    return Buffer.from([0x2a, ...toVarint(head.length + tensorBytes), ...head]);
  });
  const nodes = Array.from({ length: count }, (_, i) => {
    const names = [...toField(1, text(`x${i}`)), ...toField(1, text(`w${i}`)), ...toField(2, text(`x${i + 1}`))];
    return Buffer.from(toField(1, [...names, ...toField(4, text('MatMul'))]));
  });
  const graphBytes = [...heads, ...nodes].reduce((sum, part) => sum + part.length, 0) + count * tensorBytes;
  const front = Buffer.from([0x08, 8, ...toField(8, [0x10, 18]), 0x3a, ...toVarint(graphBytes)]);
  const fd = openSync(path, 'wx');
  let at = writeSync(fd, front, 0, front.length, 0);
  for (const node of nodes) at += writeSync(fd, node, 0, node.length, at);
  for (const head of heads) at += writeSync(fd, head, 0, head.length, at) + tensorBytes;
  ftruncateSync(fd, at);
  closeSync(fd);
}

/** 400 f32 tensors, as many as a language model of that size has. */
function writeSparseSafetensors(path: string, sizeBytes: number): void {
  const count = 400;
  const rows = Math.floor(sizeBytes / count / 4096);
  const header: Record<string, unknown> = {};
  for (let i = 0; i < count; i++) {
    const start = i * rows * 4096;
    const name = `model.layers.${Math.floor(i / 10)}.block.${i % 10}.weight`;
    header[name] = { dtype: 'F32', shape: [rows, 1024], data_offsets: [start, start + rows * 4096] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  const fd = openSync(path, 'wx');
  writeSync(fd, Buffer.concat([prefix, json]));
  ftruncateSync(fd, 8 + json.length + count * rows * 4096);
  closeSync(fd);
}

type WriteModel = (path: string, sizeBytes: number) => void;

function toNumber(sample: BenchSample, name: string): number {
  const value = sample.output?.[name];
  return typeof value === 'number' ? value : NaN;
}

function editRow(size: string, sizeBytes: number, file: string, write: WriteModel): BenchRow {
  return {
    id: `formats-edit-${size.replace(' GiB', 'gib').replace('.', '-')}`,
    title: `edit a tensor and a metadata entry of ${file.endsWith('x') ? 'an ONNX' : 'a safetensors'} file of ${size}, to a new file`,
    bar: 'peak RSS < 120 MiB',
    diskBytes: 2 * sizeBytes,
    prepare: (folder) => {
      const path = join(folder, file);
      const [out, copy] = [join(folder, 'out'), join(folder, 'copy')];
      write(path, sizeBytes);
      const clear = (): void => {
        rmSync(out, { recursive: true, force: true });
        rmSync(copy, { force: true });
      };
      return Promise.resolve({
        ours: runCase('formats-edit.js', [path, out], clear),
        // Larger copies measure the kernel's writeback more than either program.
        yardstick: sizeBytes < GIB ? runCase('formats-copy.js', [path, copy], clear) : null,
        pairs: sizeBytes < GIB ? 5 : 1,
        judge: ({ ours, yardstick }) => {
          const peak = Math.max(...ours.map(({ peakRssMib }) => peakRssMib ?? NaN));
          const ratio = toMedian(yardstick.map((sample, i) => ours[i].cpuMs / sample.cpuMs));
          const isRight = ours.every(({ output }) => output?.isRight === true);
          const compared = yardstick.length === 0 ? '' : `, CPU ${ratio.toFixed(2)} x a plain copy (median)`;
          const figure = `${peak.toFixed(0)} MiB${compared}${isRight ? '' : ', WRONG OUTPUT'}`;
          return { figure, met: isRight && peak < 120 };
        },
      });
    },
  };
}

function indexRow(id: string, title: string, barMs: number, file: string, write: (path: string) => void): BenchRow {
  return {
    id,
    title,
    bar: `< ${barMs} ms in a fresh process`,
    diskBytes: 64 * MIB,
    prepare: (folder) => {
      mkdirSync(folder, { recursive: true });
      const path = join(folder, file);
      write(path);
      return Promise.resolve({
        ours: runCase('formats-index.js', [path]),
        yardstick: null,
        pairs: 8,
        judge: ({ ours }) => {
          // On a busy machine most runs wait for the processor: the fastest says what the work takes.
          const times = ours.map((sample) => toNumber(sample, 'indexMs'));
          const wall = Math.min(...times);
          const cpu = toMedian(ours.map((sample) => toNumber(sample, 'indexCpuMs')));
          const tensors = toNumber(ours[0], 'tensors');
          return {
            figure: `${wall.toFixed(1)} ms at best, ${toMedian(times).toFixed(1)} ms median (CPU ${cpu.toFixed(1)} ms) for ${tensors} tensors`,
            met: wall < barMs,
          };
        },
      });
    },
  };
}

export const rows: readonly BenchRow[] = [
  editRow('0.5 GiB', 0.5 * GIB, 'm.onnx', writeSparseOnnx),
  editRow('2 GiB', 2 * GIB, 'm.onnx', writeSparseOnnx),
  editRow('8 GiB', 8 * GIB, 'm.safetensors', writeSparseSafetensors),
  indexRow('formats-index-onnx', 'open a 1.5 GB ONNX file of 375 initializers', 30, 'm.onnx', (path) => {
    writeSparseOnnx(path, 375 * 4 * MIB);
  }),
  indexRow('formats-index-safetensors', 'open an 8 GiB safetensors file of 400 tensors', 5, 'm.safetensors', (path) => {
    writeSparseSafetensors(path, 8 * GIB);
  }),
];
