/** Rows of the recipient codes: what is left of order and payload after attacks, who is named, and who must not be. */
import { createHash } from 'node:crypto';
import { alignSuspect } from '../../../src/align/index.ts';
import { findHexBytes } from '../../../src/core/bytes.ts';
import {
  addNoise,
  applyTensorEdits,
  classify,
  createRng,
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
  shuffledOrder,
  type Weights,
} from '../../../src/lab/index.ts';
import {
  deriveRecipientKeys,
  embedPayload,
  identifyRecipient,
  type Identification,
  listMarkedLayers,
  measurePayload,
  measurePayloadInOrder,
  PAYLOAD_TAU_SHARE,
  planOrder,
  createOrderEdits,
  type RecipientKeys,
  TAG_BITS,
  toLikeness,
  toPlaces,
  toRecipientOrderKey,
  toSuspectOrder,
} from '../../../src/watermark/index.ts';
import { getTestSet, round, toDigest } from '../measure.ts';
import { detect, getSubject, getWeights, type Subject } from '../subjects.ts';
import { type Figures, type Row, toRowId } from '../types.ts';
import { SUBJECT_SOURCES } from '../version.ts';

const TEST_COUNT = 10_000;
/** The number of the recipient whose copy leaks, and the size of the register that it is looked for in. */
const LEAKER = 4711;
const REGISTER = 10_000;

const keysOf = new Map<Subject, RecipientKeys>();

/** S_recipient of a subject: fixed here, derived from random bytes in the product. */
function getKeys(subject: Subject): RecipientKeys {
  const { name, seed, claim } = subject;
  const recipientSeed = new Uint8Array(createHash('sha256').update(`lab/recipient/${name}/${seed}`).digest());
  const digest = findHexBytes(claim.commitment.preimage.originalDigest)!;
  const keys = keysOf.get(subject) ?? deriveRecipientKeys(recipientSeed, digest);
  keysOf.set(subject, keys);
  return keys;
}

/** One recipient's copy before and after its neurons moved. */
function makeCopy(subject: Subject, number: number): { readonly unmoved: Weights; readonly copy: Weights } {
  const { spec, marked, claim, record } = subject;
  const keys = getKeys(subject);
  const tau = Number((record.tau * PAYLOAD_TAU_SHARE).toPrecision(3));
  const layers = listMarkedLayers(claim);
  const given = { model: openNetwork(spec, marked), layers, keys, number, tau, calibration: null };
  const unmoved = applyTensorEdits(marked, embedPayload(given).edits);
  const plan = planOrder(openNetwork(spec, unmoved), claim.topology);
  const key = toRecipientOrderKey(keys.order, number);
  const places = new Map(plan.coded.map((space) => [space.space, toPlaces(key, space)]));
  return { unmoved, copy: applyTensorEdits(unmoved, createOrderEdits(plan.parts, places)) };
}

interface Named {
  readonly found: Identification;
  readonly likeness: number;
}

/** Who is named in a suspect, out of `recipients`. */
function name(subject: Subject, weights: Weights, recipients: readonly number[]): Named {
  const { spec, originalModel, claim } = subject;
  const suspect = openNetwork(spec, weights);
  const keys = getKeys(subject);
  const layers = listMarkedLayers(claim);
  const alignment = alignSuspect({ topology: claim.topology, original: originalModel, suspect });
  const { coded } = planOrder(originalModel, claim.topology);
  const views = layers.map((layer) => alignment.layers.get(layer.name) ?? null);
  const payloads = [
    measurePayloadInOrder(layers, keys.positions, suspect),
    measurePayload(layers, keys.positions, views),
  ];
  const order = toSuspectOrder(coded, alignment.channelMaps);
  const found = identifyRecipient({ order, payloads }, keys, { order: recipients, payload: recipients });
  return { found, likeness: toLikeness(layers, originalModel, alignment.layers) };
}

const ALL = Array.from({ length: REGISTER }, (_, index) => index + 1);

function toFigures({ found, likeness }: Named, expected: readonly number[]): Figures {
  const { verdict, number, order, payload } = found;
  return {
    ...{ verdict, named: number === null ? 'nobody' : expected.includes(number) ? 'right' : 'WRONG' },
    ...{ orderBits: round(order!.evidenceBits, 1), agreements: order!.agreements, channels: order!.channels },
    ...{ payloadBits: round(payload!.evidenceBits, 1), tagErrors: payload!.tagErrors, tagBits: TAG_BITS },
    ...{ decoded: payload!.isDecoded ? 'yes' : 'no', likeness: round(likeness, 3) },
  };
}

async function computeFidelity(model: ModelName, seed: string): Promise<Figures> {
  const subject = await getSubject(model, seed);
  const { unmoved, copy } = makeCopy(subject, LEAKER);
  const test = getTestSet(TEST_COUNT);
  const [marked, before, after] = [subject.marked, unmoved, copy].map((weights) =>
    classify(restoreNetwork(subject.spec, weights), test),
  );
  const right = (answers: ArrayLike<number>): number =>
    test.labels.reduce((sum, label, item) => sum + Number(answers[item] === label), 0) / test.count;
  let same = 0;
  for (let item = 0; item < test.count; item++) same += Number(before[item] === after[item]);
  return {
    ...{ samples: test.count, argmaxSame: same, accuracyMarked: right(marked) },
    ...{ accuracyPayload: right(before), accuracyCopy: right(after), copy: toDigest(copy) },
  };
}

interface Attack {
  readonly title: string;
  readonly run: (subject: Subject, copy: Weights) => Weights;
}

/** Epochs of the longest fine-tuning, on so many images of the thief's. */
const LONG_EPOCHS = 100;
const THIEF_IMAGES: Readonly<Record<ModelName, number>> = { mlp: 2000, cnn: 300, 'cnn-large': 0, transformer: 0 };

const seedOf = ({ name: model, seed }: Subject, attack: string): string => `${model}/${seed}/order/${attack}`;
const tuned = new Map<string, Weights>();

function tuneLong(subject: Subject, copy: Weights): Weights {
  const key = seedOf(subject, 'fine-tune');
  const samples = generateGlyphs({ task: 'digits', stream: 'thief', count: THIEF_IMAGES[subject.name] });
  const options = { ...RECIPES[subject.name].options, schedule: 'constant', epochs: LONG_EPOCHS, seed: key } as const;
  const weights = tuned.get(key) ?? fineTune(subject.spec, copy, { ...options, samples });
  tuned.set(key, weights);
  return weights;
}

const reshuffle = (subject: Subject, weights: Weights): Weights =>
  permute(subject.spec, weights, { seed: seedOf(subject, 'permute'), logScaleMax: 1 });

export const ORDER_ATTACKS: Readonly<Record<string, Attack>> = {
  none: { title: 'as it was given away', run: (_subject, copy) => copy },
  'prune-75': { title: '75 % pruned', run: ({ spec }, copy) => prune(spec, copy, 0.75) },
  'prune-90': { title: '90 % pruned', run: ({ spec }, copy) => prune(spec, copy, 0.9) },
  int4: {
    title: 'int4, one scale per tensor',
    run: ({ spec }, copy) => quantize(spec, copy, { bits: 4, granularity: 'tensor' }),
  },
  'noise-100': {
    title: 'noise as large as the weights',
    run: (subject, copy) => addNoise(subject.spec, copy, { relativeDeviation: 1, seed: seedOf(subject, 'noise') }),
  },
  reshuffle: { title: 'neurons moved again and rescaled by e^±1', run: reshuffle },
  'fine-tune-100': { title: '100 epochs of fine-tuning at the training rate', run: tuneLong },
  'reshuffle-fine-tune-100': {
    title: '100 epochs, then moved again and rescaled',
    run: (subject, copy) => reshuffle(subject, tuneLong(subject, copy)),
  },
  'weight-decay': {
    title: 'weight decay 0.02, 20 epochs',
    run: (subject, copy) =>
      fineTune(subject.spec, copy, {
        ...{ ...RECIPES[subject.name].options, schedule: 'constant', epochs: 20, weightDecay: 0.02 },
        seed: seedOf(subject, 'weight-decay'),
        samples: generateGlyphs({ task: 'digits', stream: 'thief', count: 4 * THIEF_IMAGES[subject.name] }),
      }),
  },
};

async function computeAttack(model: ModelName, seed: string, attack: string): Promise<Figures> {
  const subject = await getSubject(model, seed);
  const weights = ORDER_ATTACKS[attack].run(subject, makeCopy(subject, LEAKER).copy);
  const own = detect(subject, openNetwork(subject.spec, weights));
  return {
    ...toFigures(name(subject, weights, ALL), [LEAKER]),
    ...{ ownVerdict: own.verdict, ownBits: round(own.evidenceBits, 1) },
    accuracy: round(measureAccuracy(restoreNetwork(subject.spec, weights), getTestSet(TEST_COUNT)), 4),
    suspect: toDigest(weights),
  };
}

export type Mixing = 'average' | 'layers' | 'rows';

/** Copies made into one: the mean of all, or tensors or rows taken from them in turn by a drawn order. */
function mix(copies: readonly Weights[], how: Mixing, seed: string): Weights {
  const rng = createRng(seed);
  const turn = [...shuffledOrder(64, rng)];
  return new Map(
    [...copies[0]].map(([tensor, values], at) => {
      const all = copies.map((copy) => copy.get(tensor)!);
      if (how === 'layers') return [tensor, all[turn[at % turn.length] % copies.length].slice()];
      const rows = Math.min(values.length, 48);
      const rowOf = (i: number): number => Math.floor((i * rows) / values.length);
      const pick = (i: number): number => all[turn[(rowOf(i) + at) % turn.length] % copies.length][i];
      const mean = (i: number): number => all.reduce((sum, one) => sum + one[i], 0) / all.length;
      return [tensor, values.map((_, i) => (how === 'average' ? mean(i) : pick(i)))];
    }),
  );
}

/** Recipients who put their copies together. */
function listColluders(count: number): number[] {
  return Array.from({ length: count }, (_, index) => LEAKER + 7 * index);
}

/** Copies as they are, and after their neurons were put in one common order: what colluders who can align would do. */
async function computeCollusion(model: ModelName, count: number, how: Mixing, isAligned: boolean): Promise<Figures> {
  const subject = await getSubject(model, '1');
  const colluders = listColluders(count);
  const copies = colluders.map((number) => {
    const { unmoved, copy } = makeCopy(subject, number);
    return isAligned ? unmoved : copy;
  });
  const weights = mix(copies, how, `order/${model}/${count}/${how}`);
  const own = detect(subject, openNetwork(subject.spec, weights));
  return {
    ...toFigures(name(subject, weights, ALL), colluders),
    ...{ ownVerdict: own.verdict, ownBits: round(own.evidenceBits, 1) },
    accuracy: round(measureAccuracy(restoreNetwork(subject.spec, weights), getTestSet(TEST_COUNT)), 4),
    suspect: toDigest(weights),
  };
}

/** Registers of a hundred other recipients against copies of one, and against models that have nothing to do with it. */
async function computeNull(model: ModelName): Promise<Figures> {
  const subject = await getSubject(model, '1');
  const others = ALL.slice(0, 1000);
  const suspects = [
    ...[LEAKER, LEAKER + 1, LEAKER + 2].map((number) => makeCopy(subject, number).copy),
    ...Array.from({ length: 5 }, (_, index) => getWeights(model, `null-${index + 1}`)),
    subject.marked,
    subject.original,
  ];
  const named = suspects.map((weights) => name(subject, weights, others));
  return {
    ...{ suspects: suspects.length, recipients: others.length },
    named: named.filter(({ found }) => found.number !== null).length,
    evidenceBitsMax: round(Math.max(...named.map(({ found }) => found.evidenceBits)), 1),
    agreementsMax: Math.max(...named.map(({ found }) => found.order!.agreements)),
    tagErrorsMin: Math.min(...named.map(({ found }) => found.payload!.tagErrors)),
    likenessNullMax: round(Math.max(...named.slice(3, 8).map(({ likeness }) => likeness)), 3),
  };
}

const SOURCES = [
  ...SUBJECT_SOURCES,
  ...['fine-tune', 'noise', 'prune', 'quantize'].map((file) => `src/lab/attacks/${file}.ts`),
  ...['src/lab/attacks/permute', 'src/watermark/order', 'src/watermark/recipient', 'scripts/lab/rows/order.ts'],
];

/** Models, and the attacks that they are put through. */
export const ORDER_PLAN: Readonly<Partial<Record<ModelName, readonly string[]>>> = {
  mlp: Object.keys(ORDER_ATTACKS),
  cnn: Object.keys(ORDER_ATTACKS),
  transformer: ['none', 'prune-75', 'int4', 'noise-100'],
};

export const MIXINGS: readonly Mixing[] = ['average', 'layers', 'rows'];
export const COLLUDERS: readonly number[] = [2, 3, 4, 6, 8];

function createRow(model: ModelName, seed: string, measurement: string, compute: () => Promise<Figures>): Row {
  return { id: toRowId(model, seed, `order-${measurement}`), sources: SOURCES, compute };
}

export function listOrderRows(): Row[] {
  const attacked = (Object.keys(ORDER_PLAN) as ModelName[]).flatMap((model) => [
    createRow(model, '1', 'fidelity', () => computeFidelity(model, '1')),
    ...ORDER_PLAN[model]!.map((attack) => createRow(model, '1', attack, () => computeAttack(model, '1', attack))),
  ]);
  const collusions = COLLUDERS.flatMap((count) =>
    MIXINGS.flatMap((how) =>
      [false, true].map((isAligned) =>
        createRow('mlp', '1', `collusion-${count}-${how}${isAligned ? '-aligned' : ''}`, () =>
          computeCollusion('mlp', count, how, isAligned),
        ),
      ),
    ),
  );
  const nulls = (['mlp', 'cnn'] as const).map((model) => createRow(model, '1', 'null', () => computeNull(model)));
  return [...attacked, ...collusions, ...nulls];
}
