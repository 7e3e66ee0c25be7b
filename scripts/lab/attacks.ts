/** The attack grid: each takes a marked copy and gives what a thief would hold; some build on one another. */
import {
  addNoise,
  distill,
  extractLabels,
  fineTune,
  generateGlyphs,
  type GlyphTask,
  overwrite,
  permute,
  prune,
  quantize,
  RECIPES,
  type Samples,
  type Weights,
} from '../../src/lab/index.ts';
import { TAU_DEFAULT } from '../../src/watermark/index.ts';
import type { Subject } from './subjects.ts';

export interface Attack {
  readonly title: string;
  /** As the table prints it; '' where the figure is only reported. */
  readonly bar: string;
  readonly run: (subject: Subject) => Weights;
}

/** What a thief has: a quarter of the owner's number of images, fresh ones of the same task or of another. */
function createThiefSet({ name }: Subject, task: GlyphTask = 'digits'): Samples {
  return generateGlyphs({ task, stream: 'thief', count: RECIPES[name].trainCount / 4 });
}

const seedOf = ({ name, seed }: Subject, attack: string): string => `${name}/${seed}/${attack}`;

const tuned = new Map<string, Weights>();

/** Ten epochs at the training rate, which stays at its peak. */
function tuneTen(subject: Subject): Weights {
  const key = seedOf(subject, 'fine-tune');
  const options = { ...RECIPES[subject.name].options, schedule: 'constant', epochs: 10, seed: key } as const;
  const weights =
    tuned.get(key) ?? fineTune(subject.spec, subject.marked, { ...options, samples: createThiefSet(subject) });
  tuned.set(key, weights);
  return weights;
}

const NO_ERRORS = '0 bit errors';

export const ATTACKS: Readonly<Record<string, Attack>> = {
  none: { title: 'right after embedding', bar: NO_ERRORS, run: ({ marked }) => marked },
  'fine-tune': { title: '10 epochs of fine-tuning at the training rate', bar: NO_ERRORS, run: tuneTen },
  'prune-50': { title: '50 % pruned', bar: NO_ERRORS, run: ({ spec, marked }) => prune(spec, marked, 0.5) },
  'prune-75': { title: '75 % pruned', bar: 'at least 64 bits', run: ({ spec, marked }) => prune(spec, marked, 0.75) },
  int8: {
    ...{ title: 'int8, one scale per tensor', bar: NO_ERRORS },
    run: ({ spec, marked }) => quantize(spec, marked, { bits: 8, granularity: 'tensor' }),
  },
  int4: {
    ...{ title: 'int4, one scale per tensor', bar: NO_ERRORS },
    run: ({ spec, marked }) => quantize(spec, marked, { bits: 4, granularity: 'tensor' }),
  },
  'int4-channel': {
    ...{ title: 'int4, one scale per channel', bar: NO_ERRORS },
    run: ({ spec, marked }) => quantize(spec, marked, { bits: 4, granularity: 'channel' }),
  },
  'overwrite-3': {
    ...{ title: 'three double-strength overwrites', bar: NO_ERRORS },
    run: (subject) =>
      overwrite(subject.spec, subject.marked, { tau: 2 * TAU_DEFAULT, times: 3, seed: seedOf(subject, 'overwrite') }),
  },
  chain: {
    ...{ title: 'fine-tuning, then 50 % pruned, then int8', bar: NO_ERRORS },
    run: (subject) => {
      const pruned = prune(subject.spec, tuneTen(subject), 0.5);
      return quantize(subject.spec, pruned, { bits: 8, granularity: 'tensor' });
    },
  },
  permute: {
    ...{ title: 'channels permuted and rescaled by e^±1', bar: NO_ERRORS },
    run: (subject) => permute(subject.spec, subject.marked, { seed: seedOf(subject, 'permute'), logScaleMax: 1 }),
  },
  'permute-chain': {
    ...{ title: 'the chain, then permuted and rescaled', bar: '' },
    run: (subject) => {
      const pruned = prune(subject.spec, tuneTen(subject), 0.5);
      const coarse = quantize(subject.spec, pruned, { bits: 8, granularity: 'tensor' });
      return permute(subject.spec, coarse, { seed: seedOf(subject, 'permute-chain'), logScaleMax: 1 });
    },
  },
  'noise-100': {
    ...{ title: 'noise as large as the weights', bar: '' },
    run: (subject) => addNoise(subject.spec, subject.marked, { relativeDeviation: 1, seed: seedOf(subject, 'noise') }),
  },
  transfer: {
    ...{ title: '10 epochs on another task', bar: '' },
    run: (subject) =>
      fineTune(subject.spec, subject.marked, {
        ...{ ...RECIPES[subject.name].options, schedule: 'constant', epochs: 10, seed: seedOf(subject, 'transfer') },
        samples: createThiefSet(subject, 'letters'),
      }),
  },
  'weight-decay': {
    ...{ title: 'weight decay 0.02, 20 epochs', bar: 'reported' },
    run: (subject) =>
      fineTune(subject.spec, subject.marked, {
        ...{ ...RECIPES[subject.name].options, schedule: 'constant', epochs: 20, weightDecay: 0.02 },
        ...{ seed: seedOf(subject, 'weight-decay'), samples: createThiefSet(subject) },
      }),
  },
  distill: {
    ...{ title: 'distilled from softened answers', bar: 'verdict none' },
    run: (subject) =>
      distill(subject.spec, subject.marked, {
        ...{ ...RECIPES[subject.name].options, seed: seedOf(subject, 'distill'), temperature: 3 },
        samples: createThiefSet(subject),
      }),
  },
  extract: {
    ...{ title: 'trained on answered labels alone', bar: 'verdict none' },
    run: (subject) =>
      extractLabels(subject.spec, subject.marked, {
        ...{ ...RECIPES[subject.name].options, seed: seedOf(subject, 'extract') },
        samples: createThiefSet(subject),
      }),
  },
};
