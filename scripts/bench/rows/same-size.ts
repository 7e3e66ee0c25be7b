/** Edits of a large file that keep its size, in the file itself: what they cost beside a copy of it. */
import { randomFillSync } from 'node:crypto';
import { closeSync, constants, copyFileSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { readOutput, runCase, toMedian } from '../samples.ts';
import type { BenchCommand, BenchRow } from '../types.ts';

const MIB = 2 ** 20;
const TENSORS = 375;
const TENSOR_BYTES = 4 * MIB;
/** 64 MiB, all over the file. */
const EDITED = 16;

/** 1.57 GB of random bytes in f32 tensors of 4 MiB. */
function writeLargeSafetensors(path: string): void {
  const tensors = Array.from({ length: TENSORS }, (_, i) => {
    const data_offsets = [i * TENSOR_BYTES, (i + 1) * TENSOR_BYTES];
    return [`layer.${i}.weight`, { dtype: 'F32', shape: [1024, 1024], data_offsets }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(tensors)));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  const block = randomFillSync(Buffer.alloc(TENSOR_BYTES));
  const fd = openSync(path, 'wx');
  writeSync(fd, Buffer.concat([prefix, json]));
  for (let i = 0; i < TENSORS; i++) writeSync(fd, block);
  closeSync(fd);
}

/**
 * Ours and the yardstick, each with as much memory freed just before as it is going to fill: the copy of the yardstick, and
 * the old file that ours replaced. Memory that a virtual machine has to fetch from its host costs three times as much.
 */
function toSides(
  folder: string,
  path: string,
  disk: 'clone' | 'copy',
): { ours: BenchCommand; yardstick: BenchCommand } {
  const copy = join(folder, 'copy');
  const removeCopy = (): void => {
    rmSync(copy, { force: true });
  };
  // Real bytes again, and on the disk.
  const args = ['-c', 'cp --reflink=never "$0" "$1" && sync "$1"', path, copy];
  return {
    ours: runCase('formats-same-size.js', [path, String(EDITED), disk], removeCopy),
    yardstick: { command: 'bash', args, before: removeCopy },
  };
}

const streamed: BenchRow = {
  id: 'formats-same-size',
  title: 'same-size edit of 64 MiB in a safetensors file of 1.57 GB, in the file itself, synced; no shared blocks',
  bar: '< 10 ms per MiB touched beside cp + sync of the file, peak RSS < 120 MiB',
  diskBytes: 3 * TENSORS * TENSOR_BYTES,
  prepare: (folder) => {
    const path = join(folder, 'm.safetensors');
    writeLargeSafetensors(path);
    return Promise.resolve({
      ...toSides(folder, path, 'copy'),
      pairs: 8,
      judge: ({ ours, yardstick }) => {
        const touchedMib = readOutput(ours[0], 'touchedMib');
        const toBeside = (name: 'wallMs' | 'cpuMs'): number =>
          toMedian(ours.map((sample, i) => sample[name] - yardstick[i][name])) / touchedMib;
        const [cpu, wall] = [toBeside('cpuMs'), toBeside('wallMs')];
        const peak = Math.max(...ours.map(({ peakRssMib }) => peakRssMib ?? NaN));
        const isRight = ours.every(({ output }) => output?.isRight === true && output.way === 'streamed');
        const figure = `${wall.toFixed(1)} ms per MiB touched beside cp, Node's start included (${cpu.toFixed(1)} ms of CPU; medians of ${ours.length} pairs), ${peak.toFixed(0)} MiB`;
        return {
          figure: isRight ? figure : `${figure}, WRONG OUTPUT`,
          met: isRight && wall < 10 && peak < 120,
        };
      },
    });
  },
};

/** A reason why blocks cannot be shared in `parent`, or null. */
function findCloneObstacle(parent: string): string | null {
  const folder = mkdtempSync(join(parent, 'modelward-probe-'));
  try {
    writeFileSync(join(folder, 'a'), 'a');
    copyFileSync(join(folder, 'a'), join(folder, 'b'), constants.COPYFILE_FICLONE_FORCE);
    return null;
  } catch {
    return 'this file system does not share blocks: --folder on XFS or btrfs';
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const patched: BenchRow = {
  id: 'formats-same-size-shared',
  title: 'the same edit on a file system that shares blocks (a clone is patched), against cp + sync without sharing',
  bar: 'reported: what the edit costs instead of a copy',
  diskBytes: 3 * TENSORS * TENSOR_BYTES,
  findObstacle: findCloneObstacle,
  prepare: (folder) => {
    const path = join(folder, 'm.safetensors');
    writeLargeSafetensors(path);
    return Promise.resolve({
      ...toSides(folder, path, 'clone'),
      pairs: 6,
      judge: ({ ours, yardstick }) => {
        const perMib =
          Math.min(...ours.map((sample) => readOutput(sample, 'cpuMs'))) / readOutput(ours[0], 'touchedMib');
        const [whole, copy] = [ours, yardstick].map((side) => {
          const fastest = (name: 'cpuMs' | 'wallMs'): string => Math.min(...side.map((each) => each[name])).toFixed(0);
          return `${fastest('cpuMs')} ms of CPU, ${fastest('wallMs')} ms of wall`;
        });
        const peak = Math.max(...ours.map(({ peakRssMib }) => peakRssMib ?? NaN));
        const isRight = ours.every(({ output }) => output?.isRight === true && output.way === 'patched');
        const figure = `${perMib.toFixed(1)} ms of CPU per MiB touched and nothing for the copy; the whole process ${whole}, cp + sync ${copy} (fastest of ${ours.length} each), ${peak.toFixed(0)} MiB`;
        return { figure: isRight ? figure : `${figure}, WRONG OUTPUT`, met: isRight };
      },
    });
  },
};

export const rows: readonly BenchRow[] = [streamed, patched];
