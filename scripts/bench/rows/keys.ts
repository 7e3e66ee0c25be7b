/** Keys of sealed files: what a rewrap costs and leaves alone, what is recorded, what stays in memory; sealed files in buckets. */
import { readOutput, runCase, runSource, toMedian } from '../samples.ts';
import { LONG, testsRow } from '../tests-row.ts';
import type { BenchRow } from '../types.ts';

const GIB = 2 ** 30;
const READ_CPU_MAX = 1.5;
const READ_RSS_MIB_MAX = 200;

const rewrap: BenchRow = {
  id: 'keys-rewrap',
  title:
    'an envelope rewrapped after a rotation of a local key, of a sealed file of 1 MiB and one of 8 GiB in turn, ledger synced',
  bar: 'within 10 % of each other; <= 20 ms of CPU beside the key; sealed files untouched (mtime, inode, SHA-256)',
  diskBytes: 8.1 * GIB,
  prepare: (folder) =>
    Promise.resolve({
      ours: runCase('keys-rewrap.js', [folder, '40', String(8 * GIB)]),
      yardstick: null,
      pairs: 1,
      judge: ({ ours: [sample] }) => {
        const [small, big, ownCpuMs] = ['small', 'big', 'ownCpuMs'].map((name) => readOutput(sample, name));
        const isUntouched = sample.output?.isUntouched === true;
        const ratio = big / small;
        const figure = `${small.toFixed(1)} ms and ${big.toFixed(1)} ms (x ${ratio.toFixed(3)}), ${ownCpuMs.toFixed(1)} ms of CPU beside the key; ${isUntouched ? 'untouched' : 'CHANGED'}`;
        return { figure, met: isUntouched && Math.abs(ratio - 1) <= 0.1 && ownCpuMs <= 20 };
      },
    }),
};

const range: BenchRow = {
  id: 'object-range',
  title: '4 KiB of a sealed object of 256 MiB over S3, opened anew each time; requests as the server counts them',
  bar: 'at most 2 segments and the preamble',
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runSource('object-range.ts', [String(GIB / 4)]),
      yardstick: null,
      pairs: 1,
      judge: ({ ours: [sample] }) => {
        const [opening, reading] = ['opening', 'reading'].map((name) => readOutput(sample, name));
        const figure = `${opening} requests to open (length and preamble), ${reading} for the range`;
        return { figure, met: opening <= 3 && reading <= 2 };
      },
    }),
};

/** Our side is one read of it all, by ranges; the other one GET of as many bytes, of a server that checks nothing. */
const read: BenchRow = {
  id: 'object-read',
  title:
    'a sealed object of 256 MiB read whole over S3, by signed ranges with eight on the way; against one plain GET of it, opened from memory',
  bar: `<= ${READ_CPU_MAX} x its CPU, <= ${READ_RSS_MIB_MAX} MiB`,
  diskBytes: 0,
  prepare: () => {
    const run = (mode: string) => runCase('object-read.js', [mode, String(GIB / 4)]);
    return Promise.resolve({
      ours: run('ranges'),
      yardstick: run('get'),
      pairs: 6,
      judge: ({ ours, yardstick }) => {
        const toRatio = (name: string): number =>
          toMedian(ours.map((sample, at) => readOutput(sample, name) / readOutput(yardstick[at], name)));
        const [cpu, wall] = [toRatio('cpuMs'), toRatio('wallMs')];
        const [rate, late] = ['perSecond', 'latePerSecond'].map((name) =>
          toMedian(ours.map((sample) => readOutput(sample, name) / 1e6)),
        );
        const rssMib = Math.max(...ours.map((sample) => readOutput(sample, 'peakRssMib')));
        return {
          figure: `${cpu.toFixed(2)} x CPU, ${wall.toFixed(2)} x wall (${rate.toFixed(0)} MB a second; ${late.toFixed(0)} when every answer takes 20 ms longer); ${rssMib.toFixed(0)} MiB`,
          met: cpu <= READ_CPU_MAX && rssMib <= READ_RSS_MIB_MAX,
        };
      },
    });
  },
};

const log: BenchRow = {
  id: 'keys-log',
  title:
    'wraps, unwraps, refused unwraps, rewraps and rotations of a key of Vault (a fake that counts), against the entries of the ledger',
  bar: 'as many entries as calls, refusals included; no key when the ledger cannot be written',
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runSource('keys-log.ts', []),
      yardstick: null,
      pairs: 1,
      judge: ({ ours: [sample] }) => {
        const names = ['asked', 'intents', 'outcomes', 'refused', 'withoutEntry'];
        const [asked, intents, outcomes, refused, withoutEntry] = names.map((name) => readOutput(sample, name));
        const figure = `${asked} calls, ${intents} intents, ${outcomes} outcomes, ${refused} refused; ${withoutEntry} keys without an entry`;
        return { figure, met: asked > 0 && asked === intents && asked === outcomes && withoutEntry === 0 };
      },
    }),
};

const memory = testsRow({
  id: 'keys-memory',
  title:
    'copies of data keys, key-encryption keys, passphrases and weights in the memory of processes that used them and wiped them; heap snapshots, argv, environ',
  bar: '0 copies, by every provider and path; 0 of the weights in the parent',
  files: () => [
    'test/hygiene/memory.test.ts',
    'src/adapters/kms/device-memory.test.ts',
    'src/adapters/kms/memory.test.ts',
    'src/adapters/sealed-runner/runner.test.ts',
    'src/broker/memory.test.ts',
  ],
});

const apart = testsRow({
  id: 'keys-apart',
  title:
    'keys, tokens and credentials in the folder tree of the weights, behind links, under their bucket prefix, on their volume; where a key takes over, too',
  bar: 'refused every time before a key is made or read; one volume is a warning',
  files: () => ['src/adapters/kms/separation.test.ts', 'test/keys/rotation.test.ts'],
});

const rotation = testsRow({
  id: 'keys-rotate-10000',
  title: '10,000 envelopes rotated by the command, which is killed (SIGKILL) eight times on the way and started again',
  bar: '0 on the old version, none lost, each opens',
  files: () => ['test/keys/rotation.long.test.ts'],
  env: LONG,
});

export const rows: readonly BenchRow[] = [rewrap, rotation, log, apart, memory, range, read];
