/** Rows of the mark of answers: what a surrogate that was trained on a customer's answers gives away. */
import { createHash } from 'node:crypto';
import {
  buildNetwork,
  classify,
  createModelSpec,
  generateGlyphs,
  inferLogits,
  measureAccuracy,
  type ModelName,
  RECIPES,
  restoreNetwork,
  type Samples,
  train,
} from '../../../src/lab/index.ts';
import {
  ANSWER_MARK_DEFAULTS,
  type AnswerRole,
  judgeReplay,
  type ReplayedAnswer,
  toAnswerRole,
  toCanonicalInput,
  toSecondClass,
} from '../../../src/watermark/answers/index.ts';
import { getTestSet, round } from '../measure.ts';
import { getWeights } from '../subjects.ts';
import { type Figures, type Row, toRowId } from '../types.ts';
import { SUBJECT_SOURCES } from '../version.ts';

interface Surrogate {
  readonly title: string;
  readonly answers: number;
  readonly epochs: number;
  readonly weightDecay: number;
}

/** Two kinds of thieves: one trains until the answers are known by heart, one stops early and decays weights. */
export const SURROGATES: Readonly<Record<string, Surrogate>> = {
  'answers-1200': { title: '1,200 answers, fitted', answers: 1200, epochs: 80, weightDecay: 0 },
  'answers-5000': { title: '5,000 answers, fitted', answers: 5000, epochs: 80, weightDecay: 0 },
  'answers-10000': { title: '10,000 answers, fitted', answers: 10_000, epochs: 80, weightDecay: 0 },
  'answers-10000-decay': { title: '10,000 answers, 40 epochs, decay', answers: 10_000, epochs: 40, weightDecay: 3e-4 },
  'answers-10000-early': { title: '10,000 answers, 10 epochs, decay', answers: 10_000, epochs: 10, weightDecay: 3e-4 },
};

export const ANSWER_MODEL: ModelName = 'mlp';
const SEED = '1';
/** Customers who asked the same inputs, and whose answers the surrogate never saw. */
const OTHERS = 20;

interface Service {
  readonly samples: Samples;
  readonly truth: Uint8Array;
  readonly best: Uint8Array;
  readonly second: Uint8Array;
  /** Canonical bytes of each sample. */
  readonly inputs: readonly Uint8Array[];
  readonly rolesOf: (customer: string) => readonly AnswerRole[];
}

function openService(count: number): Service {
  const samples = generateGlyphs({ task: 'digits', stream: 'customer', count });
  const logits = inferLogits(restoreNetwork(createModelSpec(ANSWER_MODEL), getWeights(ANSWER_MODEL, SEED)), samples);
  const rows = Array.from({ length: count }, (_, item) =>
    logits.subarray(item * samples.classes, (item + 1) * samples.classes),
  );
  const key = new Uint8Array(createHash('sha256').update('lab/answers').digest());
  const size = samples.side ** 2;
  const inputs = rows.map((_, item) =>
    toCanonicalInput(samples.pixels.subarray(item * size, (item + 1) * size), { low: 0, high: 255 }),
  );
  return {
    samples,
    truth: samples.labels,
    best: Uint8Array.from(rows, (row) => row.indexOf(Math.max(...row))),
    second: Uint8Array.from(rows, (row) => toSecondClass(row)),
    inputs,
    rolesOf: (customer) => inputs.map((input) => toAnswerRole(key, customer, input, ANSWER_MARK_DEFAULTS)),
  };
}

function judge({ inputs, second, rolesOf }: Service, customer: string, said: Uint8Array, trials: number) {
  const roles = rolesOf(customer);
  const listAnswers = (wanted: AnswerRole): ReplayedAnswer[] =>
    inputs.flatMap((input, item) => (roles[item] === wanted ? [{ input, isHit: said[item] === second[item] }] : []));
  return judgeReplay({ marked: listAnswers('marked'), controls: listAnswers('control') }, trials);
}

function compute({ answers, epochs, weightDecay }: Surrogate): Figures {
  const service = openService(answers);
  const { samples, truth, best, second } = service;
  const roles = service.rolesOf('thief');
  const labels = best.map((answer, item) => (roles[item] === 'marked' ? second[item] : answer));
  const count = (answer: Uint8Array): number => answer.filter((label, item) => label === truth[item]).length;
  const student = buildNetwork(createModelSpec(ANSWER_MODEL), 'lab/answers/student');
  const options = { ...RECIPES[ANSWER_MODEL].options, epochs, weightDecay, seed: 'lab/answers' };
  train(student, { ...samples, labels }, options);
  const said = classify(student, samples);
  const evidence = judge(service, 'thief', said, 1);
  const others = Array.from({ length: OTHERS }, (_, i) => judge(service, `customer ${i}`, said, 1).evidenceBits);
  return {
    ...{ answers, marked: evidence.marked, markedHits: evidence.markedHits },
    ...{ controls: evidence.controls, controlHits: evidence.controlHits },
    evidenceBits: round(evidence.evidenceBits, 1),
    othersBitsMax: round(Math.max(...others), 1),
    costPoints: round((100 * (count(best) - count(labels))) / answers, 3),
    accuracy: round(measureAccuracy(student, getTestSet(10_000)), 4),
  };
}

export function listAnswerRows(): Row[] {
  const sources = [...SUBJECT_SOURCES, 'scripts/lab/rows/answers.ts', 'src/watermark/answers'];
  return Object.entries(SURROGATES).map(([name, surrogate]) => ({
    id: toRowId(ANSWER_MODEL, SEED, name),
    sources,
    compute: () => Promise.resolve(compute(surrogate)),
  }));
}
