/** Cost of a licence on the device. */
import { readOutput, runCase, toMedian } from '../samples.ts';
import type { BenchRow } from '../types.ts';

const VERIFY_MS_MAX = 1;
const OPEN_MS_MAX = 50;

export const rows: readonly BenchRow[] = [
  {
    id: 'license',
    title:
      'a licence on a device whose key is a file: signature and claims alone; and everything up to the key of the model',
    bar: `<= ${VERIFY_MS_MAX} ms to verify, <= ${OPEN_MS_MAX} ms to the key, of CPU`,
    diskBytes: 100_000,
    prepare: (folder) =>
      Promise.resolve({
        ours: runCase('license.js', ['2000', folder]),
        yardstick: null,
        pairs: 3,
        judge: ({ ours }) => {
          const [verifyMs, openMs] = ['verifyMs', 'openMs'].map((name) =>
            toMedian(ours.map((sample) => readOutput(sample, name))),
          );
          return {
            figure: `${verifyMs.toFixed(2)} ms to verify, ${openMs.toFixed(1)} ms to the key`,
            met: verifyMs <= VERIFY_MS_MAX && openMs <= OPEN_MS_MAX,
          };
        },
      }),
  },
];
