/** Speed and memory of baselines and verification, against `openssl dgst -sha256` of the same file. */
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openModelPath } from '../../../src/formats/index.ts';
import { createP256Pkcs8, p256Signer } from '../../../src/sign/index.ts';
import { createBaseline } from '../../../src/tamper/index.ts';
import { runCase, toMedian } from '../samples.ts';
import type { BenchCase, BenchMeasure, BenchRow, BenchSample } from '../types.ts';

const MIB = 2 ** 20;
const TENSOR_MIB = 16;

/** A safetensors file of random f32 weights in tensors of 16 MiB. @returns its plain SHA-256, hex */
function writeModel(path: string, sizeMib: number): string {
  const count = sizeMib / TENSOR_MIB;
  const tensorBytes = TENSOR_MIB * MIB;
  const entries = Array.from({ length: count }, (_, index) => [
    `layer.${index}.weight`,
    { dtype: 'F32', shape: [2048, 2048], data_offsets: [index * tensorBytes, (index + 1) * tensorBytes] },
  ]);
  const text = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  const hash = createHash('sha256');
  const fd = openSync(path, 'wx');
  const write = (bytes: Uint8Array): void => {
    hash.update(bytes);
    writeSync(fd, bytes);
  };
  write(Buffer.concat([prefix, header]));
  const block = randomFillSync(Buffer.alloc(MIB));
  for (let at = 0; at < sizeMib; at++) {
    block.writeUInt32LE(at);
    write(block);
  }
  closeSync(fd);
  return hash.digest('hex');
}

interface Prepared {
  readonly model: string;
  readonly sha256: string;
  readonly baseline: string;
  readonly key: string;
}

async function prepareModel(folder: string, name: string, sizeMib: number): Promise<Prepared> {
  const [path, baseline, key] = ['safetensors', 'baseline', 'pem'].map((kind) => join(folder, `${name}.${kind}`));
  const sha256 = writeModel(path, sizeMib);
  const signer = p256Signer(createP256Pkcs8());
  const model = openModelPath(path);
  const { envelope } = await createBaseline({ model, signer, fileSha256: [sha256] });
  model.close();
  rmSync(baseline, { force: true });
  writeFileSync(baseline, envelope);
  writeFileSync(key, signer.publicKeyPem);
  return { model: path, sha256, baseline, key };
}

/**
 * Speed as a part of the yardstick's: median over the pairs, whole process against whole process. Both sides are one
 * busy thread, so CPU time is what wall time is on an idle machine; it is judged, since neighbours do not distort it.
 */
function judgeSpeed({ ours, yardstick }: BenchMeasure, bar: number | null): { figure: string; met: boolean } {
  const ratio = (figure: (sample: BenchSample) => number): number =>
    toMedian(ours.map((sample, index) => figure(yardstick[index]) / figure(sample)));
  const wall = ratio((sample) => sample.wallMs);
  const cpu = ratio((sample) => sample.cpuMs);
  const rssMib = Math.max(...ours.map((sample) => sample.peakRssMib ?? NaN));
  const figure = `${cpu.toFixed(2)} x openssl by CPU time (wall ${wall.toFixed(2)} x), ${rssMib.toFixed(0)} MiB`;
  return { figure, met: bar === null || cpu >= bar };
}

function speedRow(verb: 'verify' | 'baseline'): BenchRow {
  return {
    id: `tamper-${verb}`,
    title: `${verb} of a 1.5 GB safetensors file, node's start included, against openssl dgst -sha256 of the same file`,
    bar: verb === 'verify' ? '>= 0.8 x openssl dgst -sha256' : 'reported (leaves get SHA-256 and CRC-32)',
    diskBytes: 1.6e9,
    prepare: async (folder): Promise<BenchCase> => {
      const { model, sha256, baseline, key } = await prepareModel(folder, verb, 1440);
      const ours =
        verb === 'verify'
          ? runCase('tamper-verify.js', [model, baseline, key])
          : runCase('tamper-baseline.js', [model, sha256, baseline, key]);
      return {
        ours,
        yardstick: { command: 'openssl', args: ['dgst', '-sha256', model] },
        pairs: 6,
        judge: (measure) => {
          const isRight = verb === 'baseline' || measure.ours.every(({ output }) => output?.verdict === 'unchanged');
          const { figure, met } = judgeSpeed(measure, verb === 'verify' ? 0.8 : null);
          return { figure, met: met && isRight };
        },
      };
    },
  };
}

const memoryRow: BenchRow = {
  id: 'tamper-memory',
  title: 'peak memory of verifying 4 GiB and 0.5 GiB',
  bar: '<= 160 MiB; the manifest alone grows, by at most 16 MiB per GiB',
  diskBytes: 4.6 * 2 ** 30,
  prepare: async (folder): Promise<BenchCase> => {
    const big = await prepareModel(folder, 'big', 4096);
    const small = await prepareModel(folder, 'small', 512);
    return {
      ours: runCase('tamper-verify.js', [big.model, big.baseline, big.key]),
      yardstick: runCase('tamper-verify.js', [small.model, small.baseline, small.key]),
      pairs: 1,
      judge: ({ ours, yardstick }) => {
        const [atBig, atSmall] = [ours, yardstick].map((side) =>
          Math.max(...side.map((each) => each.peakRssMib ?? NaN)),
        );
        const figure = `${atBig.toFixed(0)} MiB at 4 GiB, ${atSmall.toFixed(0)} MiB at 0.5 GiB`;
        return { figure, met: atBig <= 160 && (atBig - atSmall) / 3.5 <= 16 };
      },
    };
  },
};

export const rows: readonly BenchRow[] = [speedRow('verify'), speedRow('baseline'), memoryRow];
