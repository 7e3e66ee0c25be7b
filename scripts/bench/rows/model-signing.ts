/** Speed and memory of signing a model folder, against Node's own SHA-256 of as many bytes in memory. */
import { randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { readOutput, runCase, toMedian } from '../samples.ts';
import { testsRow } from '../tests-row.ts';
import type { BenchRow } from '../types.ts';

const MIB = 2 ** 20;
const FILES = 8;
const FILE_MIB = 192;

/** A folder of files of random bytes, as a model in shards is. */
function writeFolder(folder: string): string {
  const path = join(folder, 'model');
  mkdirSync(path, { recursive: true });
  const block = randomFillSync(Buffer.alloc(MIB));
  for (let file = 0; file < FILES; file++) {
    const fd = openSync(join(path, `model-${file}.safetensors`), 'wx');
    for (let at = 0; at < FILE_MIB; at++) {
      block.writeUInt32LE(file * FILE_MIB + at);
      writeSync(fd, block);
    }
    closeSync(fd);
  }
  return path;
}

const verdicts = testsRow({
  id: 'oms-verdicts',
  title:
    'our bundles under the four schemas and the reference tool, both ways; every published bundle; renamed, added, removed and swapped files, links, empty models, names that leave the folder',
  bar: 'the verdict that the specification demands, each refusal its code',
  files: () => [
    ...['vectors', 'signature', 'chain', 'statement', 'content'].map((name) => `src/model-signing/${name}.test.ts`),
    'test/oracle/model-signing.long.test.ts',
  ],
});

export const rows: readonly BenchRow[] = [
  verdicts,
  {
    id: 'oms-sign',
    title: 'signing and verifying a folder of 1.6 GB (OMS v1.0), against SHA-256 of as many bytes in memory by Node',
    bar: '>= 0.85 x SHA-256 of Node for both, and <= 128 MiB',
    diskBytes: 1.7e9,
    prepare: (folder) =>
      Promise.resolve({
        ours: runCase('oms-sign.js', [writeFolder(folder)]),
        yardstick: runCase('oms-yardstick.js', [String(FILES * FILE_MIB)]),
        pairs: 6,
        judge: ({ ours, yardstick }) => {
          const rate = (name: string): number =>
            toMedian(ours.map((sample, at) => readOutput(yardstick[at], 'hashMs') / readOutput(sample, name)));
          const [sign, verify] = [rate('signMs'), rate('verifyMs')];
          const rssMib = Math.max(...ours.map((sample) => sample.peakRssMib ?? NaN));
          const isRight = ours.every(({ output }) => output?.verdict === 'unchanged');
          return {
            figure: `sign ${sign.toFixed(2)} x, verify ${verify.toFixed(2)} x by CPU time; ${rssMib.toFixed(0)} MiB`,
            met: isRight && sign >= 0.85 && verify >= 0.85 && rssMib <= 128,
          };
        },
      }),
  },
];
