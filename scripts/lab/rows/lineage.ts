/** Rows of lineage: copies that nobody marked, under attack, and independent models of the same data. */
import {
  addNoise,
  createModelSpec,
  distill,
  extractLabels,
  fineTune,
  generateGlyphs,
  measureAccuracy,
  type ModelName,
  openNetwork,
  permute,
  prune,
  quantize,
  RECIPES,
  restoreNetwork,
  type Weights,
} from '../../../src/lab/index.ts';
import { compareLineage, type LineageResult, NULLS_MIN } from '../../../src/lineage/index.ts';
import { getTestSet, round, toDigest } from '../measure.ts';
import { getWeights } from '../subjects.ts';
import { type Figures, type Row, toRowId } from '../types.ts';
import { SUBJECT_SOURCES } from '../version.ts';
import { PLAN } from './mark.ts';

const ACCURACY_COUNT = 2000;

interface Owned {
  readonly model: ModelName;
  readonly seed: string;
  readonly weights: Weights;
}

export interface LineageAttack {
  readonly title: string;
  /** Verdicts that meet the bar; undefined where the figure is only reported. */
  readonly bar?: readonly LineageResult['verdict'][];
  /** Models and seeds that are attacked; training takes long. */
  readonly only?: Partial<Record<ModelName, readonly string[]>>;
  readonly run: (owned: Owned) => Weights;
}

const DERIVED = ['derived'] as const;
const NOT_DERIVED = ['unrelated', 'inconclusive'] as const;
const TRAINED = { mlp: ['1', '2'], cnn: ['1', '2'] } as const;
const WITH_NULLS = { mlp: ['1', '2', '3', '4', '5'], cnn: ['1', '2'] } as const;

/** What a thief has: a quarter of the owner's number of images, unless said otherwise. */
function toThief({ model, seed }: Owned, attack: string, count = RECIPES[model].trainCount / 4) {
  const samples = generateGlyphs({ task: 'digits', stream: 'thief', count });
  return { ...RECIPES[model].options, schedule: 'constant', seed: `${model}/${seed}/${attack}`, samples } as const;
}

/** Neurons in another order, each rescaled by e^±1. */
function hide({ model, seed }: Owned, weights: Weights): Weights {
  return permute(createModelSpec(model), weights, { seed: `${model}/${seed}/lineage`, logScaleMax: 1 });
}

function mix(a: Weights, b: Weights): Weights {
  return new Map([...a].map(([name, values]) => [name, values.map((value, i) => (value + b.get(name)![i]) / 2)]));
}

interface DecayOptions {
  readonly rateShare?: number;
  readonly images?: number;
}

/** L2 in the gradient, under momentum 0.9: every step takes a hundredth of each weight at the whole rate. */
function decay(owned: Owned, attack: string, { rateShare = 1, images }: DecayOptions = {}): Weights {
  const thief = toThief(owned, attack, images);
  const options = { ...thief, epochs: 20, weightDecay: 0.02, learningRate: rateShare * thief.learningRate };
  return fineTune(createModelSpec(owned.model), owned.weights, options);
}

/** Images of the measurement that the bar was taken from: 20 epochs of them are 360 steps, against 940 and 3,120 of ours. */
const NOTE_IMAGES = 1200;

function tune(owned: Owned, attack: string, epochs: number): Weights {
  return fineTune(createModelSpec(owned.model), owned.weights, { ...toThief(owned, attack), epochs });
}

const specOf = ({ model }: Owned) => createModelSpec(model);

export const LINEAGE_ATTACKS: Readonly<Record<string, LineageAttack>> = {
  permute: { title: 'neurons reordered and rescaled', bar: DERIVED, run: (owned) => hide(owned, owned.weights) },
  'prune-90': {
    ...{ title: '90 % pruned, reordered', bar: DERIVED },
    run: (owned) => hide(owned, prune(specOf(owned), owned.weights, 0.9)),
  },
  int4: {
    ...{ title: 'int4, reordered', bar: DERIVED },
    run: (owned) => hide(owned, quantize(specOf(owned), owned.weights, { bits: 4, granularity: 'tensor' })),
  },
  'noise-100': {
    ...{ title: 'noise as large as the weights, reordered', bar: DERIVED },
    run: (owned) => hide(owned, addNoise(specOf(owned), owned.weights, { relativeDeviation: 1, seed: owned.seed })),
  },
  'merge-other': {
    ...{ title: 'mixed 50/50 with an independent model, reordered', bar: DERIVED, only: WITH_NULLS },
    run: (owned) => hide(owned, mix(owned.weights, getWeights(owned.model, 'null-1'))),
  },
  'merge-tuned': {
    ...{ title: 'mixed 50/50 with a copy tuned for 10 epochs, reordered', bar: DERIVED, only: TRAINED },
    run: (owned) => hide(owned, mix(owned.weights, tune(owned, 'merge', 10))),
  },
  'fine-tune-100': {
    ...{ title: '100 epochs of fine-tuning, reordered', bar: DERIVED, only: TRAINED },
    run: (owned) => hide(owned, tune(owned, 'tune-100', 100)),
  },
  'weight-decay': {
    ...{ title: 'weight decay 0.02, 20 epochs, reordered', bar: DERIVED, only: TRAINED },
    run: (owned) => hide(owned, decay(owned, 'decay')),
  },
  'weight-decay-ordered': {
    ...{ title: 'weight decay 0.02, 20 epochs, order kept', bar: DERIVED, only: TRAINED },
    run: (owned) => decay(owned, 'decay'),
  },
  'weight-decay-slow': {
    ...{ title: 'weight decay 0.02, 20 epochs at a tenth of the rate, reordered', bar: DERIVED, only: TRAINED },
    run: (owned) => hide(owned, decay(owned, 'decay-slow', { rateShare: 0.1 })),
  },
  'weight-decay-note': {
    ...{ title: 'weight decay 0.02, 20 epochs of 1,200 images, reordered', bar: DERIVED, only: TRAINED },
    run: (owned) => hide(owned, decay(owned, 'decay-note', { images: NOTE_IMAGES })),
  },
  'weight-decay-other': {
    ...{ title: 'an independent model after weight decay 0.02, 20 epochs', bar: NOT_DERIVED, only: TRAINED },
    run: ({ model }) => decay({ model, seed: 'null-1', weights: getWeights(model, 'null-1') }, 'decay'),
  },
  distill: {
    ...{ title: 'distilled from softened answers', bar: NOT_DERIVED, only: TRAINED },
    run: (owned) => distill(specOf(owned), owned.weights, { ...toThief(owned, 'distill'), temperature: 3 }),
  },
  extract: {
    ...{ title: 'trained on answered labels alone', bar: NOT_DERIVED, only: TRAINED },
    run: (owned) => extractLabels(specOf(owned), owned.weights, toThief(owned, 'extract')),
  },
};

function compare(owned: Owned, suspect: Weights, nulls: readonly string[] = []): LineageResult {
  const spec = specOf(owned);
  return compareLineage({
    suspect: openNetwork(spec, suspect),
    originals: [openNetwork(spec, owned.weights)],
    nulls: nulls.map((seed) => () => openNetwork(spec, getWeights(owned.model, seed))),
  });
}

const own = (model: ModelName, seed: string): Owned => ({ model, seed, weights: getWeights(model, seed) });

function computeAttack(model: ModelName, seed: string, attack: string): Figures {
  const owned = own(model, seed);
  const weights = LINEAGE_ATTACKS[attack].run(owned);
  const result = compare(owned, weights);
  const [{ agreement, order }] = result.originals;
  const accuracy = (of: Weights): number =>
    round(measureAccuracy(restoreNetwork(specOf(owned), of), getTestSet(ACCURACY_COUNT)), 4);
  return {
    ...{ verdict: result.verdict, rule: result.rule ?? 'none', share: round(agreement?.share ?? 0, 4) },
    agreed: agreement?.layers.map(({ agreed }) => agreed) ?? [],
    neurons: agreement?.layers.map(({ neurons }) => neurons) ?? [],
    ...{ orderBits: round(order.evidenceBits, 1), coefficient: round(result.fit.coefficients[0] ?? 0, 3) },
    ...{ accuracyBefore: accuracy(owned.weights), accuracy: accuracy(weights), suspect: toDigest(weights) },
  };
}

/** Seeds of all trained models of a kind, in a fixed order: every one is independent of every other. */
export function listIndependent(model: ModelName): string[] {
  const { seeds, nulls } = PLAN[model];
  const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1));
  return [...numbers(seeds), ...numbers(nulls).map((number) => `null-${number}`)];
}

/** One model as original against all that come after it in the list: every pair of the list is judged once. */
function computePairs(model: ModelName, seed: string): Figures {
  const owned = own(model, seed);
  const all = listIndependent(model);
  const others = all.slice(all.indexOf(seed) + 1);
  const results = others.map((other) => compare(owned, getWeights(model, other)));
  const count = (verdict: LineageResult['verdict']): number => results.filter((one) => one.verdict === verdict).length;
  return {
    ...{ pairs: results.length, derived: count('derived'), unrelated: count('unrelated') },
    inconclusive: count('inconclusive'),
    shareMax: round(Math.max(...results.map(({ originals }) => originals[0].agreement?.share ?? 0)), 4),
    orderBitsMax: round(Math.max(...results.map(({ originals }) => originals[0].order.evidenceBits)), 1),
    original: toDigest(owned.weights),
  };
}

/** The rule from independent models: each of the others as suspect, the rest as nulls; and a copy that is pruned and reordered. */
function computeCalibrated(model: ModelName, seed: string): Figures {
  const owned = own(model, seed);
  const nulls = listIndependent(model).filter((other) => other.startsWith('null-'));
  const suspects = nulls.slice(NULLS_MIN);
  const kept = nulls.slice(0, NULLS_MIN);
  const verdicts = suspects.map((suspect) => compare(owned, getWeights(model, suspect), kept).verdict);
  const copy = compare(owned, LINEAGE_ATTACKS['prune-90'].run(owned), kept);
  const judged = copy.originals[0].judged;
  return {
    ...{ nulls: kept.length, suspects: suspects.length },
    derived: verdicts.filter((verdict) => verdict === 'derived').length,
    ...{ copy: copy.verdict, copyRule: copy.rule ?? 'none', bar: round(judged?.derivedShare ?? 0, 4) },
    rankP: round(judged?.nulls?.rankP ?? 1, 4),
    suspect: toDigest(LINEAGE_ATTACKS['prune-90'].run(owned)),
  };
}

const ATTACK_SOURCES = ['distill.ts', 'fine-tune.ts', 'matrices.ts', 'noise.ts', 'permute', 'prune.ts', 'quantize.ts'];

/** No mark is read or made here. */
const SOURCES = [
  ...SUBJECT_SOURCES.filter((path) => !path.startsWith('src/watermark')),
  ...ATTACK_SOURCES.map((name) => `src/lab/attacks/${name}`),
  ...['src/align', 'src/lineage', 'scripts/lab/rows/lineage.ts'],
];

function createRow(model: ModelName, seed: string, measurement: string, compute: () => Figures): Row {
  return {
    id: toRowId(model, seed, `lineage-${measurement}`),
    sources: SOURCES,
    compute: () => Promise.resolve(compute()),
  };
}

export function listLineageRows(): Row[] {
  return (Object.keys(PLAN) as ModelName[]).flatMap((model) => {
    const all = listIndependent(model);
    const owners = all.slice(0, PLAN[model].seeds);
    const attacks = Object.entries(LINEAGE_ATTACKS).flatMap(([name, { only }]) =>
      owners
        .filter((seed) => only === undefined || (only[model]?.includes(seed) ?? false))
        .map((seed) => createRow(model, seed, name, () => computeAttack(model, seed, name))),
    );
    const pairs = all.slice(0, -1).map((seed) => createRow(model, seed, 'pairs', () => computePairs(model, seed)));
    const isCalibrated = PLAN[model].nulls > NULLS_MIN;
    const calibrated = isCalibrated ? [createRow(model, '1', 'nulls', () => computeCalibrated(model, '1'))] : [];
    return [...attacks, ...pairs, ...calibrated];
  });
}
