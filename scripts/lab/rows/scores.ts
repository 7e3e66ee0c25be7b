/** Rows of the mark of scores: what a surrogate that was trained on a customer's answered probabilities leans to. */
import { createHash } from 'node:crypto';
import {
  buildNetwork,
  createModelSpec,
  generateGlyphs,
  inferLogits,
  measureAccuracy,
  type ModelName,
  type Network,
  RECIPES,
  restoreNetwork,
  type Samples,
  train,
} from '../../../src/lab/index.ts';
import {
  createScoreBasis,
  createScoreMark,
  judgeScores,
  markScores,
  SCORE_DIRECTIONS,
  SCORE_MARK_DEFAULTS,
  type ScoreMark,
  type ScoreReply,
} from '../../../src/watermark/answers/index.ts';
import { getTestSet, round } from '../measure.ts';
import { getWeights } from '../subjects.ts';
import { type Figures, type Row, toRowId } from '../types.ts';
import { SUBJECT_SOURCES } from '../version.ts';

interface ScoreSurrogate {
  readonly title: string;
  readonly answers: number;
  readonly epochs: number;
  readonly weightDecay: number;
  readonly share?: number;
  /** Decimals that answers are rounded to. */
  readonly decimals?: number;
  /** Best classes alone are learned. */
  readonly isHard?: boolean;
}

const fitted = { epochs: 80, weightDecay: 0 };

/** Thieves with few answers and many, who train long or stop early, and services that tell less. */
export const SCORE_SURROGATES: Readonly<Record<string, ScoreSurrogate>> = {
  'scores-1200': { title: '1,200 answers, fitted', answers: 1200, ...fitted },
  'scores-1200-share-10': { title: '1,200 answers, fitted, share 0.1', answers: 1200, ...fitted, share: 0.1 },
  'scores-1200-decay': { title: '1,200 answers, 40 epochs, decay', answers: 1200, epochs: 40, weightDecay: 3e-4 },
  'scores-1200-early': { title: '1,200 answers, 10 epochs, decay', answers: 1200, epochs: 10, weightDecay: 3e-4 },
  'scores-1200-rounded': { title: '1,200 answers of two decimals, fitted', answers: 1200, ...fitted, decimals: 2 },
  'scores-1200-labels': { title: '1,200 best classes, fitted', answers: 1200, ...fitted, isHard: true },
  'scores-5000': { title: '5,000 answers, fitted', answers: 5000, ...fitted },
  'scores-5000-share-10': { title: '5,000 answers, fitted, share 0.1', answers: 5000, ...fitted, share: 0.1 },
  'scores-10000-decay': { title: '10,000 answers, 40 epochs, decay', answers: 10_000, epochs: 40, weightDecay: 3e-4 },
  'scores-10000-early': { title: '10,000 answers, 10 epochs, decay', answers: 10_000, epochs: 10, weightDecay: 3e-4 },
};

const MODEL: ModelName = 'mlp';
const SEED = '1';
const CALIBRATION = 2000;
/** What a judge asks. */
const QUERIES = 2500;
/** Customers whose answers the surrogate never saw. */
const OTHERS = 20;

const toRow = (samples: Samples, item: number): Float32Array => {
  const size = samples.side ** 2;
  return Float32Array.from(samples.pixels.subarray(item * size, (item + 1) * size), (pixel) => pixel / 255);
};

/** A picture at half its side, each value the mean of four. */
function toFeatures(samples: Samples, item: number): Float32Array {
  const { side } = samples;
  const half = Math.ceil(side / 2);
  const features = new Float32Array(half * half);
  toRow(samples, item).forEach((value, at) => {
    features[Math.floor(Math.floor(at / side) / 2) * half + Math.floor((at % side) / 2)] += value / 4;
  });
  return features;
}

/** Softmax of every row of logits, [count, classes]. */
function toScores(network: Network, samples: Samples): Float64Array[] {
  const logits = inferLogits(network, samples);
  return Array.from({ length: samples.count }, (_, item) => {
    const row = logits.subarray(item * samples.classes, (item + 1) * samples.classes);
    const largest = Math.max(...row);
    const powers = Float64Array.from(row, (value) => Math.exp(value - largest));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((value) => value / sum);
  });
}

function createMarks(share: number): (customer: string) => ScoreMark {
  const inputs = generateGlyphs({ task: 'digits', stream: 'calibration', count: CALIBRATION });
  const rows = Array.from({ length: CALIBRATION }, (_, item) => toFeatures(inputs, item));
  const features = rows[0].length;
  const flat = new Float32Array(CALIBRATION * features);
  rows.forEach((row, item) => {
    flat.set(row, item * features);
  });
  const basis = createScoreBasis(flat, features, SCORE_DIRECTIONS);
  const key = new Uint8Array(createHash('sha256').update('lab/scores').digest());
  const params = { ...SCORE_MARK_DEFAULTS, share };
  return (customer) => createScoreMark(key, customer, { basis, classes: inputs.classes, params });
}

const toBest = (row: Float64Array): number => row.indexOf(Math.max(...row));

function compute(given: ScoreSurrogate): Figures {
  const { answers, epochs, weightDecay, share = SCORE_MARK_DEFAULTS.share, decimals, isHard = false } = given;
  const teacher = restoreNetwork(createModelSpec(MODEL), getWeights(MODEL, SEED));
  const marks = createMarks(share);
  const mark = marks('thief');
  const samples = generateGlyphs({ task: 'digits', stream: 'customer', count: answers });
  const plain = toScores(teacher, samples);
  const served = plain.map((row, item) => {
    const marked = markScores(mark, row, toFeatures(samples, item));
    return decimals === undefined ? marked : marked.map((value) => Math.round(value * 10 ** decimals) / 10 ** decimals);
  });
  const changed = served.filter((row, item) => toBest(row) !== toBest(plain[item])).length;
  const confidence = (rows: readonly Float64Array[]): number =>
    rows.reduce((sum, row) => sum + Math.max(...row), 0) / rows.length;

  const student = buildNetwork(createModelSpec(MODEL), 'lab/scores/student');
  const probabilities = Float32Array.from(served.flatMap((row) => [...row]));
  const soft = isHard ? {} : { soft: { probabilities, temperature: 1 } };
  const options = { ...RECIPES[MODEL].options, epochs, weightDecay, seed: 'lab/scores', ...soft };
  train(student, { ...samples, labels: Uint8Array.from(served, toBest) }, options);

  const questions = generateGlyphs({ task: 'digits', stream: 'judge', count: QUERIES });
  const [own, said] = [toScores(teacher, questions), toScores(student, questions)];
  const replies: ScoreReply[] = own.map((row, item) => {
    return { input: toFeatures(questions, item), own: row, said: said[item] };
  });
  const evidence = judgeScores(mark, replies, 1);
  const others = Array.from({ length: OTHERS }, (_, i) => judgeScores(marks(`customer ${i}`), replies, 1).evidenceBits);
  return {
    ...{ answers, share, signs: evidence.signs, errors: evidence.errors, changedAnswers: changed },
    evidenceBits: round(evidence.evidenceBits, 1),
    othersBitsMax: round(Math.max(...others), 1),
    confidenceBefore: round(confidence(plain), 3),
    confidence: round(confidence(served), 3),
    accuracy: round(measureAccuracy(student, getTestSet(10_000)), 4),
  };
}

export function listScoreRows(): Row[] {
  const sources = [...SUBJECT_SOURCES, 'scripts/lab/rows/scores.ts', 'src/watermark/answers'];
  return Object.entries(SCORE_SURROGATES).map(([name, surrogate]) => ({
    id: toRowId(MODEL, SEED, name),
    sources,
    compute: () => Promise.resolve(compute(surrogate)),
  }));
}
