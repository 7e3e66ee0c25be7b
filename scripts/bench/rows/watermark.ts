/** Speed and memory of the ownership mark: 10 M weights in memory, and a whole safetensors file of 1 and of 8 GB. */
import { closeSync, fsyncSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createPrfStream } from '../../../src/core/prf.ts';
import { openModelPath, writeModel as writePlan } from '../../../src/formats/index.ts';
import { nodeStorage, stageFolder } from '../../../src/source/index.ts';
import { createClaim, deriveSeeds, embedMark, encodeClaim, toOriginalDigest } from '../../../src/watermark/index.ts';
import { readOutput, runCase, toMedian } from '../samples.ts';
import type { BenchCase, BenchMeasure, BenchRow, BenchSample } from '../types.ts';

const GB = 1e9;
const MIB = 2 ** 20;
const RSS_MIB_MAX = 320;
const COST_MAX = 1.25;
const EMBED_SECONDS_MAX = 3;
const DETECT_COST_MAX = 3;

/** A safetensors file of `count` float32 matrices of 4,096 x 4,096 seeded random weights (67.1 MB each). */
function writeModel(path: string, count: number): void {
  const side = 4096;
  const sizeBytes = side * side * 4;
  const header = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `layers.${i}.weight`,
      { dtype: 'F32', shape: [side, side], data_offsets: [i * sizeBytes, (i + 1) * sizeBytes] },
    ]),
  );
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const fd = openSync(path, 'wx');
  writeSync(fd, length);
  writeSync(fd, padded);
  const words = new Uint32Array(MIB);
  const values = new Float32Array(MIB);
  for (let layer = 0; layer < count; layer++) {
    const stream = createPrfStream(new Uint8Array(32), { domain: 7, index: layer });
    for (let at = 0; at < sizeBytes; at += values.byteLength) {
      stream.fill(new Uint8Array(words.buffer));
      for (let i = 0; i < values.length; i++) values[i] = (words[i] / 2 ** 32 - 0.5) * 0.04;
      writeSync(fd, new Uint8Array(values.buffer));
    }
  }
  // Else the first run would pay for writing the input out.
  fsyncSync(fd);
  closeSync(fd);
}

/** Whole-process wall time against the yardstick's, and the peak of memory. */
function judgeMarking({ ours, yardstick }: BenchMeasure, isCostBound: boolean): { figure: string; met: boolean } {
  const sum = (sample: BenchSample): number => readOutput(sample, 'copySeconds') + readOutput(sample, 'hashSeconds');
  const ratio = toMedian(ours.map((sample, i) => sample.wallMs / 1000 / sum(yardstick[i])));
  const rss = Math.max(...ours.map((sample) => sample.peakRssMib ?? NaN));
  const seconds = toMedian(ours.map((sample) => sample.wallMs / 1000));
  return {
    figure: `${ratio.toFixed(2)} x (cp + sync + 2 sha256), ${seconds.toFixed(1)} s, ${rss.toFixed(0)} MiB`,
    met: (!isCostBound || ratio <= COST_MAX) && rss <= RSS_MIB_MAX,
  };
}

/** The sample of 16 M weights is a fixed cost, so the bar on cost names 8 GB; memory is bounded at both sizes. */
function markRow(sizeGb: number): BenchRow {
  const isCostBound = sizeGb >= 8;
  const cost = isCostBound ? `<= ${COST_MAX} x (cp + sync + two openssl dgst -sha256 passes); ` : '';
  return {
    id: `watermark-mark-${sizeGb}gb`,
    title: `mark a ${sizeGb} GB safetensors of seeded random weights: digest, mark, durable copy, digest of the copy`,
    bar: `${cost}<= ${RSS_MIB_MAX} MiB at 1 and 8 GB`,
    diskBytes: 3 * sizeGb * GB,
    prepare: (folder): Promise<BenchCase> => {
      const model = join(folder, 'model.safetensors');
      writeModel(model, Math.ceil((sizeGb * GB) / (4096 * 4096 * 4)));
      const removeOutputs = (): void => {
        for (const name of ['marked', 'copy']) rmSync(join(folder, name), { recursive: true, force: true });
      };
      return Promise.resolve({
        ours: runCase('watermark-mark.js', [model, folder], removeOutputs),
        yardstick: runCase('watermark-yardstick.js', [model, folder], removeOutputs),
        pairs: 3,
        judge: (measure) => judgeMarking(measure, isCostBound),
      });
    },
  };
}

/** A marked copy of `path` in FOLDER/marked and its claim in FOLDER/claim.json. */
function writeMarkedCopy(path: string, folder: string): { readonly marked: string; readonly claim: string } {
  const seed = new Uint8Array(32).fill(1);
  const model = openModelPath(path);
  const originalDigest = toOriginalDigest(model);
  const mark = embedMark({ model, ownSeed: deriveSeeds(seed).own, ownerId: 'bench', originalDigest });
  const target = join(folder, 'marked');
  const staged = stageFolder({ storage: nodeStorage, target });
  writePlan(model.plan(mark.edits), staged);
  staged.commit();
  const marked = join(target, model.files[0].name);
  model.close();
  const claim = createClaim({
    seed,
    seedBox: { sealSeed: () => null, openSeed: () => seed },
    ownerKey: 'bench',
    ownerId: 'bench',
    originalDigest,
    markedDigest: originalDigest,
    mark,
  });
  writeFileSync(join(folder, 'claim.json'), encodeClaim(claim));
  return { marked, claim: join(folder, 'claim.json') };
}

/** Both suspects against one hash of the file: reading a mark should not cost more than looking at the file. */
const detectRow: BenchRow = {
  id: 'watermark-detect-1gb',
  title:
    'detect in a 1 GB safetensors of 15 square layers of one shape, without a graph: the marked copy, and the unmarked original',
  bar: `both right; each <= ${DETECT_COST_MAX} x openssl dgst -sha256 of the file`,
  diskBytes: 2 * GB,
  prepare: (folder): Promise<BenchCase> => {
    const model = join(folder, 'model.safetensors');
    writeModel(model, Math.ceil(GB / (4096 * 4096 * 4)));
    const { marked, claim } = writeMarkedCopy(model, folder);
    return Promise.resolve({
      ours: runCase('watermark-detect.js', [claim, marked, model]),
      yardstick: { command: 'openssl', args: ['dgst', '-sha256', model] },
      pairs: 4,
      judge: ({ ours, yardstick }) => {
        const ratios = ['markedSeconds', 'unmarkedSeconds'].map((name) =>
          toMedian(ours.map((sample, i) => readOutput(sample, name) / (yardstick[i].wallMs / 1000))),
        );
        const seconds = ['markedSeconds', 'unmarkedSeconds'].map((name) =>
          toMedian(ours.map((sample) => readOutput(sample, name))),
        );
        const isRight = ours.every((sample) => readOutput(sample, 'isRight') === 1);
        const rss = Math.max(...ours.map((sample) => sample.peakRssMib ?? NaN));
        const figure = (i: number): string => `${seconds[i].toFixed(2)} s (${ratios[i].toFixed(2)} x openssl)`;
        return {
          figure: `marked ${figure(0)}, unmarked ${figure(1)}, ${rss.toFixed(0)} MiB`,
          met: isRight && ratios.every((ratio) => ratio <= DETECT_COST_MAX),
        };
      },
    });
  },
};

const embedRow: BenchRow = {
  id: 'watermark-embed-10m',
  title: 'embed in 10 M float32 weights in memory, planning and applying, on one core',
  bar: `< ${EMBED_SECONDS_MAX} s of CPU`,
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runCase('watermark-embed.js', []),
      yardstick: null,
      pairs: 4,
      judge: ({ ours }) => {
        const seconds = toMedian(ours.map((sample) => readOutput(sample, 'cpuSeconds')));
        return { figure: `${seconds.toFixed(2)} s of CPU`, met: seconds < EMBED_SECONDS_MAX };
      },
    }),
};

export const rows: readonly BenchRow[] = [embedRow, detectRow, markRow(1), markRow(8)];
