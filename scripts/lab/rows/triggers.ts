/** Rows of triggers in the last layer, of trigger sets that were trained in, and of marks that were trained in. */
import { createHash } from 'node:crypto';
import { toHex } from '../../../src/core/bytes.ts';
import {
  buildNetwork,
  classify,
  createModelSpec,
  createTestSet,
  distill,
  exportWeights,
  extractLabels,
  fineTune,
  generateGlyphs,
  GLYPH_SIDE,
  loadWeights,
  measureAccuracy,
  type ModelName,
  type Network,
  type NetworkSpec,
  openNetwork,
  permute,
  prune,
  quantize,
  range,
  RECIPES,
  restoreNetwork,
  type Samples,
  toBatch,
  train,
  type Weights,
} from '../../../src/lab/index.ts';
import {
  addMarkGradient,
  createClaim,
  deriveSeeds,
  deriveTriggerKeys,
  type DesignOptions,
  designTriggers,
  detectMark,
  type FeatureRows,
  LOG2_LABEL_DRAWS,
  makePattern,
  planMark,
  toDefaultCount,
  toOriginalDigest,
  toPatternPlane,
  toRemoteEvidence,
  toSetFacts,
  toSetTriggers,
  toTriggerQuestions,
  type TriggerDesign,
  type TriggerSetBody,
  TRIGGER_SCHEME,
} from '../../../src/watermark/index.ts';
import { getTestSet, round, toDigest } from '../measure.ts';
import { getWeights } from '../subjects.ts';
import { type Figures, type Row, toRowId } from '../types.ts';
import { SUBJECT_SOURCES } from '../version.ts';

/** Seeds whose models get triggers. */
export const TRIGGER_PLAN: Readonly<Record<ModelName, readonly string[]>> = {
  mlp: ['1', '2', '3', '4', '5'],
  cnn: ['1', '2'],
  'cnn-large': ['1'],
  transformer: ['1'],
};
/** Models that are trained once more, with a trigger set or a plan. */
export const TRAINED: readonly ModelName[] = ['mlp', 'cnn', 'transformer'];

const LIMIT_POINTS = 0.1;
const CLEAN_COUNT = 40_000;
const CANDIDATES = 16_384;
const TESTED_COUNT = 40_000;
const SIZE = GLYPH_SIDE * GLYPH_SIDE;
const PLANE = toPatternPlane([1, GLYPH_SIDE, GLYPH_SIDE]);

const secretOf = (name: string): Uint8Array =>
  new Uint8Array(createHash('sha256').update(`lab/triggers/${name}`).digest());

/** The network without its last layer, and that layer's rows with the bias appended. */
function openBody(spec: NetworkSpec, weights: Weights) {
  const last = spec.layers[spec.layers.length - 1];
  if (last.kind !== 'dense' || last.layout !== 'outIn') throw new TypeError('the last layer is dense');
  const { name, inputs, outputs } = last;
  const body = buildNetwork({ ...spec, layers: spec.layers.slice(0, -1) }, 'body');
  loadWeights(body, weights);
  const [weight, bias] = [weights.get(`${name}.weight`)!, weights.get(`${name}.bias`)!];
  const width = inputs + 1;
  const rows = Array.from({ length: outputs }, (_, row) =>
    Float64Array.from({ length: width }, (__, i) => (i === inputs ? bias[row] : weight[row * inputs + i])),
  );
  const toFeatures = (samples: Samples): FeatureRows => {
    const values = new Float32Array(samples.count * width).fill(1);
    for (let from = 0; from < samples.count; from += 100) {
      const indices = range(from, Math.min(from + 100, samples.count));
      const found = body.forward(toBatch(samples, indices), 'infer').data;
      for (const [item, index] of indices.entries()) {
        values.set(found.subarray(item * inputs, (item + 1) * inputs), index * width);
      }
    }
    return { count: samples.count, values };
  };
  const withChange = (change: readonly Float64Array[]): Weights => {
    const edited = new Map(weights);
    edited.set(
      `${name}.weight`,
      weight.map((value, at) => value + change[Math.floor(at / inputs)][at % inputs]),
    );
    edited.set(
      `${name}.bias`,
      bias.map((value, row) => value + change[row][inputs]),
    );
    return edited;
  };
  return { head: { rows, width }, toFeatures, withChange };
}

/** Inputs in [0, 1] as samples. */
function toSamples(inputs: readonly Float64Array[], labels: ArrayLike<number>): Samples {
  const pixels = new Float32Array(inputs.length * SIZE);
  for (const [item, values] of inputs.entries()) pixels.set(values, item * SIZE);
  return { count: inputs.length, side: GLYPH_SIDE, classes: 10, pixels, labels: Uint8Array.from(labels) };
}

interface Embedded {
  readonly spec: NetworkSpec;
  readonly design: TriggerDesign;
  readonly marked: Weights;
  readonly triggers: Samples;
  readonly unmined: TriggerDesign;
}

/** Clean images shape the edit and judge it, each half that which the other shaped; the test images are others again. */
function embed(model: ModelName, seed: string): Embedded {
  const spec = createModelSpec(model);
  const weights = getWeights(model, seed);
  const { head, toFeatures, withChange } = openBody(spec, weights);
  const { trigger } = deriveSeeds(secretOf(`${model}/${seed}`));
  const salt = toOriginalDigest(openNetwork(spec, weights));
  const keys = deriveTriggerKeys(trigger, salt);
  const patterns = Array.from({ length: CANDIDATES }, (_, index) => makePattern(keys.inputs, index, PLANE));
  const clean = createTestSet(CLEAN_COUNT, 'triggers/clean');
  const options: Omit<DesignOptions, 'count' | 'limitPoints'> = {
    head,
    clean: toFeatures(clean),
    labels: Int32Array.from(clean.labels),
    candidates: toFeatures(toSamples(patterns, new Uint8Array(CANDIDATES))),
    frame: {
      ...{ v: 1, scheme: TRIGGER_SCHEME, output: 'logits', classes: 10, candidates: CANDIDATES },
      input: { name: 'input', dtype: 'f32', shape: [1, GLYPH_SIDE, GLYPH_SIDE], low: 0, high: 1 },
    },
    labelsKey: keys.labels,
  };
  const count = toDefaultCount(10, head.width);
  const design = designTriggers({ ...options, count, limitPoints: LIMIT_POINTS });
  const unmined = designTriggers({ ...options, count: design.body.indices.length, limitPoints: 100, isMined: false });
  const set = toTriggerQuestions(design.body, trigger, salt);
  const labels = Array.from({ length: set.count }, (_, index) => Number(set.expected(index)));
  const triggers = toSamples(
    design.body.indices.map((index) => patterns[index]),
    labels,
  );
  return { spec, design, marked: withChange(design.change), triggers, unmined };
}

/** Right answers before and after. */
function compare(spec: NetworkSpec, before: Weights, after: Weights): { readonly lost: number; readonly won: number } {
  const test = getTestSet(TESTED_COUNT);
  const [was, is] = [before, after].map((weights) => classify(restoreNetwork(spec, weights), test));
  const counts = { lost: 0, won: 0 };
  for (const [item, label] of test.labels.entries()) {
    counts.lost += Number(was[item] === label && is[item] !== label);
    counts.won += Number(was[item] !== label && is[item] === label);
  }
  return counts;
}

function countHits(spec: NetworkSpec, weights: Weights, triggers: Samples): number {
  const answers = classify(restoreNetwork(spec, weights), triggers);
  return answers.reduce((hits, answer, item) => hits + Number(answer === triggers.labels[item]), 0);
}

/** Evidence of a number of hits, in bits. */
function toBits(count: number, hits: number, log2Trials = 0): number {
  const statistic = { kind: 'exact', chance: 0.1, log2Trials, nulls: [] } as const;
  const answers = Array.from({ length: count }, (_, index) => Number(index < hits));
  return round(toRemoteEvidence({ count, expected: () => 1, statistic }, answers).evidenceBits, 1);
}

/** A thief's copies, by the names of the figures. */
function listCopies(
  model: ModelName,
  spec: NetworkSpec,
  marked: Weights,
  seed: string,
): readonly (readonly [string, Weights])[] {
  const thief = generateGlyphs({ task: 'digits', stream: 'thief', count: RECIPES[model].trainCount / 4 });
  const { options } = RECIPES[model];
  const tuning = { ...options, schedule: 'constant', epochs: 10, seed: `${seed}/fine-tune`, samples: thief } as const;
  return [
    ['int8', quantize(spec, marked, { bits: 8, granularity: 'tensor' })],
    ['int4', quantize(spec, marked, { bits: 4, granularity: 'channel' })],
    ['prune25', prune(spec, marked, 0.25)],
    ['prune50', prune(spec, marked, 0.5)],
    ['prune75', prune(spec, marked, 0.75)],
    ['fineTune', fineTune(spec, marked, tuning)],
    ['distill', distill(spec, marked, { ...options, seed: `${seed}/distill`, temperature: 3, samples: thief })],
    ['extract', extractLabels(spec, marked, { ...options, seed: `${seed}/extract`, samples: thief })],
  ];
}

/** Models that had nothing to do with it. */
function listNulls(model: ModelName, seed: string): Weights[] {
  if (model === 'mlp') return range(1, 31).reduce<Weights[]>((all, n) => [...all, getWeights(model, `null-${n}`)], []);
  return model === 'cnn'
    ? range(1, 6).reduce<Weights[]>((all, n) => [...all, getWeights(model, `null-${n}`)], [])
    : seed === '1'
      ? []
      : [getWeights(model, '1')];
}

function computeTriggers(model: ModelName, seed: string): Promise<Figures> {
  const { spec, design, marked, triggers, unmined } = embed(model, seed);
  const original = getWeights(model, seed);
  const { lost, won } = compare(spec, original, marked);
  const plain = openBody(spec, original).withChange(unmined.change);
  const against = compare(spec, original, plain);
  const copies = listCopies(model, spec, marked, `${model}/${seed}`);
  const nulls = [original, ...listNulls(model, seed)].map((weights) => countHits(spec, weights, triggers));
  const hits = copies.map(([name, weights]) => [name, countHits(spec, weights, triggers)] as const);
  return Promise.resolve({
    ...{ triggers: triggers.count, marginShare: design.marginShare, lossHeld: round(design.lossPoints, 3) },
    lossHeldMax: round(design.lossPointsMax, 3),
    ...{ samples: TESTED_COUNT, lost, won, lostUnmined: against.lost, wonUnmined: against.won },
    ...{
      hits: countHits(spec, marked, triggers),
      bits: toBits(triggers.count, countHits(spec, marked, triggers), LOG2_LABEL_DRAWS),
    },
    ...Object.fromEntries(hits),
    ...{
      bitsInt8: toBits(triggers.count, hits[0][1], LOG2_LABEL_DRAWS),
      nullHits: nulls,
      nullBits: Math.max(...nulls.map((n) => toBits(triggers.count, n, LOG2_LABEL_DRAWS))),
    },
    marked: toDigest(marked),
  });
}

const SET_COUNT = 100;
/** Times that a trigger comes in an epoch: for 12,000 images and more, 2 to 4 samples in a hundred. */
const SET_SHARE = 0.03;

function computeSet(model: ModelName): Promise<Figures> {
  const spec = createModelSpec(model);
  const clean = generateGlyphs({ task: 'digits', stream: 'train', count: RECIPES[model].trainCount });
  const source = {
    ...{ count: clean.count, shape: [GLYPH_SIDE, GLYPH_SIDE], labels: Int32Array.from(clean.labels) },
    read: (index: number) => Float64Array.from(clean.pixels.subarray(index * SIZE, (index + 1) * SIZE)),
  };
  const facts = toSetFacts(source);
  const { low, high, classes } = facts;
  const body: TriggerSetBody = {
    ...{ v: 1, scheme: 'overlay/v2', classes, count: SET_COUNT, strength: 0.5 },
    data: { digest: toHex(facts.digest), count: clean.count, shape: [...source.shape], low, high },
  };
  const set = toSetTriggers(body, deriveSeeds(secretOf(model)).trigger, { source, facts });
  const inputs = Array.from({ length: SET_COUNT }, (_, index) =>
    set.sample(index).map((value) => Math.round(value) / 255),
  );
  const triggers = toSamples(inputs, set.labels);
  const times = Math.round((SET_SHARE * clean.count) / SET_COUNT);
  const seed = `${model}/1`;
  const network = buildNetwork(spec, seed);
  train(network, mix(clean, triggers, times), { ...RECIPES[model].options, seed });
  const marked = exportWeights(network);
  const twin = getWeights(model, '1');
  const hits = countHits(spec, marked, triggers);
  const copies = listCopies(model, spec, marked, seed).map(
    ([name, weights]) => [name, countHits(spec, weights, triggers)] as const,
  );
  const nulls = [twin, ...listNulls(model, '1')].map((weights) => countHits(spec, weights, triggers));
  return Promise.resolve({
    ...{
      triggers: SET_COUNT,
      times,
      samples: TESTED_COUNT,
      ...compare(spec, twin, marked),
      hits,
      bits: toBits(SET_COUNT, hits),
    },
    ...Object.fromEntries(copies),
    ...{
      bitsFineTune: toBits(SET_COUNT, copies[5][1]),
      nullHits: nulls,
      nullBits: Math.max(...nulls.map((n) => toBits(SET_COUNT, n))),
    },
    marked: toDigest(marked),
  });
}

/** The clean samples, and every trigger `times` over. */
function mix(clean: Samples, triggers: Samples, times: number): Samples {
  const count = clean.count + times * triggers.count;
  const pixels = new Float32Array(count * SIZE);
  const labels = new Uint8Array(count);
  pixels.set(Float32Array.from(clean.pixels, (value) => value / 255));
  labels.set(clean.labels);
  for (let turn = 0; turn < times; turn++) {
    pixels.set(triggers.pixels, (clean.count + turn * triggers.count) * SIZE);
    labels.set(triggers.labels, clean.count + turn * triggers.count);
  }
  return { ...clean, count, pixels, labels };
}

const MARK_STRENGTH = 0.3;

function computePlan(model: ModelName): Promise<Figures> {
  const spec = createModelSpec(model);
  const seed = `${model}/1`;
  const network = buildNetwork(spec, seed);
  const start = openNetwork(spec, exportWeights(network));
  const secret = secretOf(`plan/${model}`);
  const ownSeed = deriveSeeds(secret).own;
  const originalDigest = toOriginalDigest(start);
  const plan = planMark({ model: start, ownSeed, ownerId: 'lab owner', originalDigest });
  const marking: Network = {
    ...network,
    backward: (gradient) => {
      network.backward(gradient);
      addMarkGradient(plan, network.parameters, MARK_STRENGTH);
    },
  };
  train(marking, generateGlyphs({ task: 'digits', stream: 'train', count: RECIPES[model].trainCount }), {
    ...{ ...RECIPES[model].options, seed },
  });
  const marked = exportWeights(network);
  const claim = createClaim({
    ...{
      seed: secret,
      seedBox: { sealSeed: () => 'lab', openSeed: () => secret },
      ownerKey: 'lab',
      ownerId: 'lab owner',
    },
    ...{ originalDigest, markedDigest: originalDigest, mark: plan.mark },
  });
  const read = (weights: Weights) =>
    detectMark({ suspect: openNetwork(spec, weights), claim, ownSeed, original: start, readings: 'all' });
  const toErrors = (weights: Weights): number =>
    Math.min(
      ...read(weights)
        .schemes.filter(({ name }) => name.endsWith('/hard'))
        .map(({ bitErrors }) => bitErrors),
    );
  const twin = getWeights(model, '1');
  const copies = listCopies(model, spec, marked, `plan/${model}`).filter(
    ([name]) => name !== 'distill' && name !== 'extract',
  );
  const moved = permute(spec, marked, { seed: `plan/${model}`, logScaleMax: 1 });
  return Promise.resolve({
    ...{
      samples: TESTED_COUNT,
      ...compare(spec, twin, marked),
      accuracy: round(measureAccuracy(restoreNetwork(spec, marked), getTestSet(TESTED_COUNT)), 4),
    },
    ...{ bits: plan.bits.length, bitErrors: toErrors(marked), evidenceBits: round(read(marked).evidenceBits, 1) },
    ...Object.fromEntries(copies.map(([name, weights]) => [name, toErrors(weights)])),
    ...{ permuted: toErrors(moved), twinBits: round(read(twin).evidenceBits, 1), marked: toDigest(marked) },
  });
}

/** Triggers need the trained models alone; marks that are trained in need the detector, too. */
const TRIGGER_SOURCES = [
  ...SUBJECT_SOURCES.filter((path) => path.startsWith('src/lab/')),
  ...['subjects.ts', 'measure.ts', 'rows/triggers.ts'].map((name) => `scripts/lab/${name}`),
  ...['src/watermark/triggers', 'src/watermark/digest.ts', 'src/lab/attacks'],
];
const PLAN_SOURCES = [...SUBJECT_SOURCES, 'src/watermark/plan', 'src/lab/attacks', 'scripts/lab/rows/triggers.ts'];

export function listTriggerRows(): Row[] {
  const models = Object.keys(TRIGGER_PLAN) as ModelName[];
  const create = (model: ModelName, seed: string, name: string, compute: () => Promise<Figures>): Row => ({
    ...{ id: toRowId(model, seed, name), compute },
    sources: name === 'train-plan' ? PLAN_SOURCES : TRIGGER_SOURCES,
  });
  return [
    ...models.flatMap((model) =>
      TRIGGER_PLAN[model].map((seed) => create(model, seed, 'triggers', () => computeTriggers(model, seed))),
    ),
    ...TRAINED.map((model) => create(model, '1', 'trigger-set', () => computeSet(model))),
    ...TRAINED.map((model) => create(model, '1', 'train-plan', () => computePlan(model))),
  ];
}
