/** Rows of keyed probes: agreement of attacked copies and of independent models, on probes as they come and on rare ones. */
import { createHash } from 'node:crypto';
import { fineTune, generateGlyphs, RECIPES, restoreNetwork, type Weights } from '../../../src/lab/index.ts';
import {
  chooseFamily,
  chooseRare,
  FAMILY_TRIALS,
  makeProbe,
  type NullAgreement,
  pickAnswers,
  type ProbeFamily,
  PROBE_FAMILIES,
  type TensorPlan,
  toAgreementRate,
  toChance,
  toRowAnswers,
  toSpread,
} from '../../../src/watermark/index.ts';
import { toLog2BinomialTail } from '../../../src/core/stats.ts';
import { ATTACKS } from '../attacks.ts';
import { round } from '../measure.ts';
import { getSubject, getWeights, type Subject } from '../subjects.ts';
import { type Figures, type Row, toRowId } from '../types.ts';
import { SUBJECT_SOURCES } from '../version.ts';

export type ProbedModel = 'mlp' | 'cnn';

/** Independent models of the same data. For cnn the other owner's model is one more. */
const NULLS: Readonly<Record<ProbedModel, readonly string[]>> = {
  mlp: Array.from({ length: 30 }, (_, at) => `null-${at + 1}`),
  cnn: ['null-1', 'null-2', 'null-3', 'null-4', 'null-5', '2'],
};
export const PROBED_MODELS: readonly ProbedModel[] = ['mlp', 'cnn'];
export const PROBED_SEED = '1';
export const PROBE_COUNT = 2000;
/** Fewer where a run costs more. */
export const PROBE_POOLS: Readonly<Record<ProbedModel, number>> = { mlp: 32_000, cnn: 6000 };
const BATCH = 64;

/** Attacks of the grid, and two of this area. */
export const PROBED_COPIES: Readonly<Record<string, (subject: Subject) => Weights>> = {
  ...Object.fromEntries(
    ['int8', 'int4', 'int4-channel', 'prune-50', 'prune-75', 'permute', 'fine-tune', 'transfer'].map((name) => [
      name,
      ATTACKS[name].run,
    ]),
  ),
  'fine-tune-gentle': (subject) => tune(subject, 10, 0.1),
  'fine-tune-100': (subject) => tune(subject, 100, 1),
  ...Object.fromEntries(['weight-decay', 'distill', 'extract'].map((name) => [name, ATTACKS[name].run])),
};

/** Takes too long on a convolutional network. */
const SLOW_COPY = 'fine-tune-100';

/** Epochs on a thief's images, at a share of the training rate. */
function tune({ name, seed, spec, marked }: Subject, epochs: number, share: number): Weights {
  const { options, trainCount } = RECIPES[name];
  const samples = generateGlyphs({ task: 'digits', stream: 'thief', count: trainCount / 4 });
  const learningRate = options.learningRate * share;
  const key = `${name}/${seed}/probes/${epochs}/${share}`;
  return fineTune(spec, marked, { ...options, schedule: 'constant', epochs, learningRate, samples, seed: key });
}

/** What the parts of a row have in common. */
interface Probing {
  readonly subject: Subject;
  readonly plan: TensorPlan;
  readonly key: Uint8Array;
}

async function open(model: ProbedModel, family: ProbeFamily): Promise<Probing> {
  const subject = await getSubject(model, PROBED_SEED);
  const rule = { kind: 'pattern', low: 0, high: 1 } as const;
  const { side, classes } = subject.spec;
  const input: TensorPlan['inputs'][number] = { name: 'input', dtype: 'f32', shape: [side, side, 1], rule };
  const plan: TensorPlan = { kind: 'tensors', family, inputs: [input], hasBatchAxis: true, output: 'logits', classes };
  const key = new Uint8Array(createHash('sha256').update(`lab/probes/${model}`).digest());
  return { subject, plan, key };
}

/** The class that a network gives each probe, by the trainer's own arithmetic: equal on every machine. */
function answer({ subject, plan, key }: Probing, weights: Weights, count: number): number[] {
  const { spec } = subject;
  const network = restoreNetwork(spec, weights);
  const size = spec.side * spec.side;
  const answers: number[] = [];
  for (let start = 0; start < count; start += BATCH) {
    const rows = Math.min(BATCH, count - start);
    const data = new Float32Array(rows * size);
    for (let at = 0; at < rows; at += 1) {
      const probe = makeProbe(key, plan, start + at);
      if (probe.kind !== 'tensors') throw new TypeError('tensors');
      data.set(new Float32Array(new Uint8Array(probe.inputs[0].data).buffer), at * size);
    }
    const scores = network.forward({ data, shape: [rows, spec.side, spec.side, 1] }, 'infer').data;
    const found = toRowAnswers(Float64Array.from(scores.subarray(0, rows * spec.classes)), rows, spec.classes);
    answers.push(...found.map((one) => one ?? -1));
  }
  return answers;
}

/** One way of choosing probes, and how often everybody agrees on them. */
interface Measured {
  readonly chosen: readonly number[] | null;
  readonly answers: readonly number[];
  readonly nulls: readonly number[];
  readonly chance: number;
}

function measure(ours: readonly number[], theirs: readonly (readonly number[])[], isRare: boolean): Measured {
  const { chosen, rates } = isRare
    ? chooseRare({ answers: ours, nulls: theirs, count: PROBE_COUNT })
    : { chosen: null, rates: theirs.map((one) => toAgreementRate(ours.slice(0, PROBE_COUNT), one)) };
  const answers = (isRare ? pickAnswers(ours, chosen) : ours.slice(0, PROBE_COUNT)) as number[];
  const nulls = rates.map((agreement, at): NullAgreement => ({ name: String(at), digest: null, agreement }));
  return { chosen, answers, nulls: rates, chance: toChance({ nulls, answers, isRare }).chance };
}

const measuredOf = new Map<string, Promise<{ readonly probing: Probing; readonly measured: Measured }>>();

function getMeasured(model: ProbedModel, family: ProbeFamily, isRare: boolean) {
  const key = `${model}/${family}/${isRare}`;
  const found = measuredOf.get(key) ?? prepare(model, family, isRare);
  measuredOf.set(key, found);
  return found;
}

async function prepare(model: ProbedModel, family: ProbeFamily, isRare: boolean) {
  const probing = await open(model, family);
  const count = isRare ? PROBE_POOLS[model] : PROBE_COUNT;
  const ours = answer(probing, probing.subject.marked, count);
  const theirs = NULLS[model].map((seed) => answer(probing, getWeights(model, seed), count));
  return { probing, measured: measure(ours, theirs, isRare) };
}

async function computeNulls(model: ProbedModel, family: ProbeFamily, isRare: boolean): Promise<Figures> {
  const { measured } = await getMeasured(model, family, isRare);
  const { mean, deviation, largest } = toSpread(measured.nulls.map((rate) => rate));
  return {
    ...{ probes: measured.answers.length, nulls: measured.nulls.length },
    ...{ mean: round(mean, 4), deviation: round(deviation, 4), largest: round(largest, 4) },
    chance: round(measured.chance, 4),
    above: measured.nulls.filter((rate) => rate >= measured.chance).length,
  };
}

async function computeCopy(model: ProbedModel, copy: string): Promise<Figures> {
  const figures: Record<string, number | string> = {};
  for (const { family, isRare, name } of await listWays(model)) {
    const { probing, measured } = await getMeasured(model, family, isRare);
    const theirs = answer(probing, getCopy(probing.subject, copy), isRare ? PROBE_POOLS[model] : PROBE_COUNT);
    const agreement = toAgreementRate(
      measured.answers,
      pickAnswers(theirs, measured.chosen).slice(0, measured.answers.length),
    );
    const asked = measured.answers.length;
    const trials = Math.log2(PROBE_FAMILIES.length);
    const tail = toLog2BinomialTail(asked, Math.round(agreement * asked), measured.chance);
    figures[`${name}Family`] = family;
    figures[`${name}Agreement`] = round(agreement, 4);
    figures[`${name}Bits`] = round(Math.max(0, -tail - trials), 1);
  }
  return figures;
}

const copies = new Map<string, Weights>();

function getCopy(subject: Subject, copy: string): Weights {
  const key = `${subject.name}/${copy}`;
  const weights = copies.get(key) ?? PROBED_COPIES[copy](subject);
  copies.set(key, weights);
  return weights;
}

/** The two defaults: probes as they come, of the family that suits the model, and rare ones. */
async function listWays(model: ProbedModel) {
  const answersTo = new Map<ProbeFamily, readonly number[]>();
  for (const family of PROBE_FAMILIES) {
    const probing = await open(model, family);
    answersTo.set(family, answer(probing, probing.subject.marked, FAMILY_TRIALS));
  }
  return [
    { name: 'all', family: chooseFamily(answersTo), isRare: false },
    { name: 'rare', family: 'uniform', isRare: true },
  ] as const;
}

/** Rare probes are measured of the family that they are made of. */
const RARE_OR_NOT: Readonly<Record<ProbeFamily, readonly boolean[]>> = {
  uniform: [false, true],
  sparse: [false],
  'low-pass': [false],
  blocks: [false],
};

const SOURCES: readonly string[] = [
  ...SUBJECT_SOURCES,
  ...['scripts/lab/rows/probes.ts', 'scripts/lab/attacks.ts', 'src/lab/attacks', 'src/watermark/probes'],
  'src/watermark/remote/questions.ts',
];

function createRow(model: ProbedModel, measurement: string, compute: () => Promise<Figures>): Row {
  return { id: toRowId(model, PROBED_SEED, `probes-${measurement}`), sources: SOURCES, compute };
}

export function listProbeRows(): readonly Row[] {
  return PROBED_MODELS.flatMap((model) => [
    ...PROBE_FAMILIES.flatMap((family) =>
      RARE_OR_NOT[family].map((isRare) =>
        createRow(model, `null-${family}${isRare ? '-rare' : ''}`, () => computeNulls(model, family, isRare)),
      ),
    ),
    ...Object.keys(PROBED_COPIES)
      .filter((copy) => model === 'mlp' || copy !== SLOW_COPY)
      .map((copy) => createRow(model, copy, () => computeCopy(model, copy))),
  ]);
}
