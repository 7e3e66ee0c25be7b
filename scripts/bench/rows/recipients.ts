/** Recipient codes: what moving neurons changes, and who is named among ten thousand. */
import { runSource } from '../samples.ts';
import type { BenchMeasure, BenchRow } from '../types.ts';

const TESTS = 10_000;
const RECIPIENTS = 10_000;
const BITS_MIN = 64;
const SECONDS_MAX = 10;
const MODELS = ['mlp', 'cnn', 'cnn-large', 'transformer'];

interface Lossless {
  readonly same: number;
  readonly tests: number;
  readonly moved: number;
  readonly isOther: boolean;
  readonly isUndone: boolean;
}

const losslessRow: BenchRow = {
  id: 'recipient-lossless',
  title: `copies of four sample networks with their neurons in a recipient's order, on ${TESTS} test inputs each, beside the copies before they moved`,
  bar: 'the same class on every test input; undone, the file is the same to the byte',
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runSource('recipient-lossless.ts', [String(TESTS), ...MODELS]),
      yardstick: null,
      pairs: 1,
      judge: ({ ours }) => {
        const { results, runtime } = ours[0].output as { results: Record<string, Lossless>; runtime: string };
        const all = Object.entries(results);
        const words = all.map(([name, one]) => {
          const back = one.isUndone ? 'undone to the byte' : 'NOT undone';
          return `${name} ${one.same} of ${one.tests} with ${one.moved} neurons moved, ${back}`;
        });
        return {
          figure: `${words.join('; ')} (${runtime})`,
          met:
            all.length === MODELS.length &&
            all.every(([, one]) => one.same === one.tests && one.isOther && one.isUndone && one.moved > 0),
        };
      },
    }),
};

interface Naming {
  readonly model: string;
  readonly attack: string;
  readonly isRight: boolean;
  readonly orderBits: number;
  readonly payloadBits: number;
  readonly agreements: number;
  readonly channels: number;
  readonly cpuSeconds: number;
}

function readNamings({ ours }: BenchMeasure): readonly Naming[] {
  return (ours[0].output as { results: readonly Naming[] }).results;
}

const isNamed = ({ isRight, orderBits }: Naming): boolean => isRight && orderBits >= BITS_MIN;

const identifyRow: BenchRow = {
  id: 'recipient-identify',
  title: `name the recipient of a copy among ${RECIPIENTS}, alignment to the original included, on one core`,
  bar: `the right one, by the order alone with p < 2^-${BITS_MIN} after all trials; <= ${SECONDS_MAX} s of CPU`,
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runSource('recipient-identify.ts', [String(RECIPIENTS), ...MODELS.map((name) => `${name}:none`)]),
      yardstick: null,
      pairs: 1,
      judge: (measure) => {
        const namings = readNamings(measure);
        const words = namings.map(
          (one) =>
            `${one.model} ${one.isRight ? 'right' : 'WRONG'}, 2^-${one.orderBits.toFixed(0)} by the order, 2^-${one.payloadBits.toFixed(0)} by the payload, ${one.cpuSeconds.toFixed(1)} s`,
        );
        const met = namings.length === MODELS.length && namings.every(isNamed);
        return { figure: words.join('; '), met: met && namings.every(({ cpuSeconds }) => cpuSeconds <= SECONDS_MAX) };
      },
    }),
};

const ATTACKS = ['prune-75', 'int4'];

const survivesRow: BenchRow = {
  id: 'recipient-order-survives',
  title: `the order of copies with 75 % of the weights pruned, and in int4 with one scale per tensor, among ${RECIPIENTS} recipients`,
  bar: `every neuron in its place, the right one named with p < 2^-${BITS_MIN}`,
  diskBytes: 0,
  prepare: () =>
    Promise.resolve({
      ours: runSource('recipient-identify.ts', [
        String(RECIPIENTS),
        ...MODELS.flatMap((name) => ATTACKS.map((attack) => `${name}:${attack}`)),
      ]),
      yardstick: null,
      pairs: 1,
      judge: (measure) => {
        const namings = readNamings(measure);
        const words = namings.map(
          (one) => `${one.model} ${one.attack} ${one.agreements} of ${one.channels}, 2^-${one.orderBits.toFixed(0)}`,
        );
        return {
          figure: words.join('; '),
          met:
            namings.length === MODELS.length * ATTACKS.length &&
            namings.every((one) => isNamed(one) && one.agreements === one.channels),
        };
      },
    }),
};

export const rows: readonly BenchRow[] = [identifyRow, losslessRow, survivesRow];
