/** Language models at scale: alignment of a wide layer, and marks in generated checkpoints of one and of four billion weights. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BILLION, type CheckpointShape, FOUR_BILLION, INDEX_NAME, writeCheckpoint } from '../checkpoint.ts';
import { readOutput, runCase, toMedian } from '../samples.ts';
import type { BenchCase, BenchRow } from '../types.ts';

const ALIGN_SECONDS_MAX = 60;
const DETECT_COST_MAX = 2;
const RSS_MIB_MAX = 320;
const WIDE = 4096;

const alignRow: BenchRow = {
  id: 'align-4096',
  title: 'align a layer of 4,096 neurons, permuted, rescaled by e^±1, with noise of 30 % of the weights, in memory',
  bar: `all 4,096 found; < ${ALIGN_SECONDS_MAX} s of CPU`,
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runCase('align-wide.js', ['0.3']),
      yardstick: null,
      pairs: 2,
      judge: ({ ours }) => {
        const seconds = toMedian(ours.map((sample) => readOutput(sample, 'cpuSeconds')));
        const right = Math.min(...ours.map((sample) => readOutput(sample, 'right')));
        const rss = Math.max(...ours.map((sample) => sample.peakRssMib ?? NaN));
        return {
          figure: `${right} of ${WIDE}, ${seconds.toFixed(1)} s of CPU, ${rss.toFixed(0)} MiB`,
          met: right === WIDE && seconds < ALIGN_SECONDS_MAX,
        };
      },
    }),
};

/**
 * Shards are read once, front to back, by the yardstick. A mark is a sample of 16 M weights, whatever the size: a fixed
 * cost, so the bar on time names 8 GB.
 */
function detectRow(id: string, words: string, shape: CheckpointShape, sizeBytes: number): BenchRow {
  const isCostBound = sizeBytes >= 8e9;
  return {
    id,
    title: `mark and detect in a generated checkpoint of ${words}, bfloat16, in shards, without the original: the marked copy, and the unmarked one`,
    bar: `both right; ${isCostBound ? `each detection <= ${DETECT_COST_MAX} x reading all shards (cat); ` : ''}<= ${RSS_MIB_MAX} MiB`,
    diskBytes: 2.1 * sizeBytes,
    prepare: (folder): Promise<BenchCase> => {
      const model = join(folder, 'model');
      mkdirSync(model);
      writeCheckpoint(model, shape);
      return Promise.resolve({
        ours: runCase('llm-detect.js', [join(model, INDEX_NAME), folder]),
        yardstick: { command: 'sh', args: ['-c', 'cat "$0"/model/*.safetensors | wc -c', folder] },
        pairs: 2,
        judge: ({ ours, yardstick }) => {
          const reads = toMedian(yardstick.map((sample) => sample.wallMs / 1000));
          const [marked, unmarked] = ['markedSeconds', 'unmarkedSeconds'].map((name) =>
            toMedian(ours.map((sample) => readOutput(sample, name))),
          );
          const isRight = ours.every((sample) => readOutput(sample, 'isRight') === 1);
          const rss = Math.max(...ours.map((sample) => sample.peakRssMib ?? NaN));
          const embed = readOutput(ours[0], 'embedSeconds');
          return {
            figure: `marked ${marked.toFixed(1)} s, unmarked ${unmarked.toFixed(1)} s, reading ${reads.toFixed(1)} s; embedding ${embed.toFixed(1)} s; ${rss.toFixed(0)} MiB`,
            met:
              isRight && rss <= RSS_MIB_MAX && (!isCostBound || Math.max(marked, unmarked) <= DETECT_COST_MAX * reads),
          };
        },
      });
    },
  };
}

/** Both tables of tokens and the aligned one as singles are 800 MB: the largest layer, not the model, says what is held. */
const ALIGNED_RSS_MIB_MAX = 2048;

const alignedRow: BenchRow = {
  id: 'llm-align-1b',
  title:
    'mark, recipient and lineage of a generated checkpoint of 1.1 billion weights (2.2 GB) whose stream, hidden units and heads were reordered for a recipient and whose heads were then changed inside, with the original',
  bar: `all right; <= ${ALIGNED_RSS_MIB_MAX} MiB`,
  diskBytes: 3 * 2.2e9,
  prepare: (folder): Promise<BenchCase> => {
    const model = join(folder, 'model');
    mkdirSync(model);
    writeCheckpoint(model, BILLION);
    const args = [join(model, INDEX_NAME), folder];
    const { command, args: prepared } = runCase('llm-align.js', [...args, 'prepare']);
    execFileSync(command, prepared, { stdio: 'inherit' });
    return Promise.resolve({
      ours: runCase('llm-align.js', args),
      yardstick: null,
      pairs: 1,
      judge: ({ ours: [sample] }) => {
        const [detect, recipient, lineage] = ['detectSeconds', 'recipientSeconds', 'lineageSeconds'].map((name) =>
          readOutput(sample, name),
        );
        const rss = sample.peakRssMib ?? NaN;
        return {
          figure: `detect ${detect.toFixed(0)} s, recipient ${recipient.toFixed(0)} s, lineage ${lineage.toFixed(0)} s; ${(sample.cpuMs / 1000).toFixed(0)} s of CPU; ${readOutput(sample, 'agreements')} of ${readOutput(sample, 'channels')} channels; ${rss.toFixed(0)} MiB`,
          met: readOutput(sample, 'isRight') === 1 && rss <= ALIGNED_RSS_MIB_MAX,
        };
      },
    });
  },
};

export const rows: readonly BenchRow[] = [
  alignRow,
  alignedRow,
  detectRow('llm-detect-1b', '1.1 billion weights (2.2 GB)', BILLION, 2.2e9),
  detectRow('llm-detect-8gb', '4.15 billion weights (8.3 GB)', FOUR_BILLION, 8.3e9),
];
