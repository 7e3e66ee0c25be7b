/** Peak memory of `diff`, `scan` and `lineage` on big models of two formats, where every tensor changed: it must not grow with them. */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createRng } from '../../../src/lab/index.ts';
import { tinyExternal, tinyModel, tinyNode, tinyValue } from '../../../test/tiny-onnx.ts';
import { readOutput, runCase } from '../samples.ts';
import type { BenchCase, BenchMeasure, BenchRow } from '../types.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const [BIG, SMALL] = [4 * GIB, 0.5 * GIB];
/** A table of 131,072 rows, as language models begin with, and then square matrices. */
const TABLE = [131_072, 512] as const;
const LAYER = [2048, 2048] as const;
const PEAK_MAX_MIB = 200;
/** What the lists of tensors and layers may add; not a part of the weights. */
const GROWTH_MAX_MIB = 24;

const FORMATS = ['safetensors', 'onnx'] as const;
type Format = (typeof FORMATS)[number];

interface Part {
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly start: number;
  readonly length: number;
}

function listParts(sizeBytes: number): Part[] {
  const parts: Part[] = [];
  for (let at = 0, index = 0; at < sizeBytes; index++) {
    const shape = index === 0 ? TABLE : LAYER;
    const length = 4 * shape[0] * shape[1];
    parts.push({ name: index === 0 ? 'embed.weight' : `layers.${index}.weight`, shape, start: at, length });
    at += length;
  }
  return parts;
}

/** Gaussian weights, the same whenever `seed` is; `moved` adds a small change to every one. */
function writeWeights(fd: number, sizeBytes: number, moved: boolean): void {
  const rng = createRng('bench/big');
  const block = Float32Array.from({ length: MIB / 4 }, () => 0.02 * rng.gaussian());
  const step = Float32Array.from(block, () => 0.001 * rng.gaussian());
  const piece = new Float32Array(block.length);
  for (let mib = 0; mib < sizeBytes / MIB; mib++) {
    // No two pieces are alike, so that nothing is found twice.
    const scale = 1 + mib / 8192;
    for (let i = 0; i < piece.length; i++) piece[i] = scale * block[i] + (moved ? step[(i + mib) % step.length] : 0);
    writeSync(fd, piece);
  }
}

function writeSafetensors(path: string, sizeBytes: number, moved: boolean): void {
  const parts = listParts(sizeBytes);
  const entries = parts.map(({ name, shape, start, length }) => {
    return [name, { dtype: 'F32', shape, data_offsets: [start, start + length] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  const fd = openSync(path, 'wx');
  writeSync(fd, Buffer.concat([prefix, json]));
  writeWeights(fd, listEnd(parts), moved);
  closeSync(fd);
}

/** The weights lie in a file beside the graph: a protobuf message ends at 2 GiB. */
function writeOnnx(path: string, sizeBytes: number, moved: boolean): void {
  const parts = listParts(sizeBytes);
  const location = `${path.slice(path.lastIndexOf('/') + 1)}.data`;
  const value = (index: number): string => (index === parts.length ? 'y' : `h${index}`);
  const layers = parts.slice(1).map(({ name }, i) => tinyNode('MatMul', [value(i + 1), name], [value(i + 2)]));
  const model = tinyModel({
    inputs: [tinyValue('x', 'i64', [1])],
    outputs: [tinyValue('y', 'f32', [1, LAYER[1]])],
    nodes: [tinyNode('Gather', [parts[0].name, 'x'], [value(1)]), ...layers],
    tensors: parts.map(({ name, shape, start, length }) => {
      return tinyExternal(name, 'f32', shape, { location, offset: start, length });
    }),
  });
  writeFileSync(path, model, { flag: 'wx' });
  const fd = openSync(`${path}.data`, 'wx');
  writeWeights(fd, listEnd(parts), moved);
  closeSync(fd);
}

function listEnd(parts: readonly Part[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

const WRITERS = { safetensors: writeSafetensors, onnx: writeOnnx } satisfies Record<Format, unknown>;

function judgePeaks({ ours, yardstick }: BenchMeasure, isRight: boolean): ReturnType<BenchCase['judge']> {
  const [big, small] = [ours, yardstick].map((side) => Math.max(...side.map(({ peakRssMib }) => peakRssMib ?? NaN)));
  const seconds = readOutput(ours[0], 'cpuSeconds').toFixed(0);
  const figure = `${big.toFixed(0)} MiB at 4 GiB (${seconds} CPU s), ${small.toFixed(0)} MiB at 0.5 GiB`;
  const met = isRight && big <= PEAK_MAX_MIB && big - small <= GROWTH_MAX_MIB;
  return { figure: isRight ? figure : `${figure}, WRONG REPORT`, met };
}

function diffRow(format: Format): BenchRow {
  return {
    id: `diff-memory-${format}`,
    title: `peak memory of comparing two models of 4 GiB in which every tensor changed (${format})`,
    bar: `<= ${PEAK_MAX_MIB} MiB, and at most ${GROWTH_MAX_MIB} MiB above a pair of 0.5 GiB`,
    diskBytes: 2 * (BIG + SMALL),
    prepare: (folder) => {
      const write = (name: string, size: number, moved: boolean): string => {
        const path = join(folder, `${name}.${format}`);
        WRITERS[format](path, size, moved);
        return path;
      };
      const pair = (name: string, size: number) => [write(`${name}-a`, size, false), write(`${name}-b`, size, true)];
      return Promise.resolve({
        ours: runCase('diff-big.js', pair('big', BIG)),
        yardstick: runCase('diff-big.js', pair('small', SMALL)),
        pairs: 1,
        judge: (measure) => {
          const tensors = listParts(BIG).length;
          return judgePeaks(measure, readOutput(measure.ours[0], 'fineTuned') === tensors);
        },
      });
    },
  };
}

function scanRow(format: Format): BenchRow {
  return {
    id: `scan-memory-${format}`,
    title: `peak memory of scanning a model of 4 GiB, weights included (${format})`,
    bar: `<= ${PEAK_MAX_MIB} MiB, and at most ${GROWTH_MAX_MIB} MiB above one of 0.5 GiB`,
    diskBytes: BIG + SMALL,
    prepare: (folder) => {
      const write = (name: string, size: number): string => {
        const path = join(folder, `${name}.${format}`);
        WRITERS[format](path, size, false);
        return path;
      };
      return Promise.resolve({
        ours: runCase('scan-big.js', [write('big', BIG)]),
        yardstick: runCase('scan-big.js', [write('small', SMALL)]),
        pairs: 1,
        judge: (measure) => judgePeaks(measure, readOutput(measure.ours[0], 'notScanned') === 0),
      });
    },
  };
}

/** Without a graph: what is compared is a sample of every tensor, in the order of the file. */
const lineageRow: BenchRow = {
  id: 'lineage-memory',
  title: 'peak memory of the lineage of two models of 4 GiB in which every tensor changed (safetensors)',
  bar: `<= ${PEAK_MAX_MIB} MiB, and at most ${GROWTH_MAX_MIB} MiB above a pair of 0.5 GiB`,
  diskBytes: 2 * (BIG + SMALL),
  prepare: (folder) => {
    const write = (name: string, size: number, moved: boolean): string => {
      const path = join(folder, `${name}.safetensors`);
      writeSafetensors(path, size, moved);
      return path;
    };
    const pair = (name: string, size: number) => [write(`${name}-a`, size, false), write(`${name}-b`, size, true)];
    return Promise.resolve({
      ours: runCase('lineage-big.js', pair('big', BIG)),
      yardstick: runCase('lineage-big.js', pair('small', SMALL)),
      pairs: 1,
      judge: (measure) => judgePeaks(measure, readOutput(measure.ours[0], 'cosine') > 0.99),
    });
  },
};

export const rows: readonly BenchRow[] = [...FORMATS.map(diffRow), ...FORMATS.map(scanRow), lineageRow];
