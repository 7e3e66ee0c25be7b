/** Rows of the mark in the weights: fidelity, attacks, nulls and keys, for each model and seed. */
import { createHash } from 'node:crypto';
import { classify, measureAccuracy, type ModelName, openNetwork, restoreNetwork } from '../../../src/lab/index.ts';
import { sampleNullKeys, toHardRegion } from '../../../test/fakes/null-keys.ts';
import { ATTACKS } from '../attacks.ts';
import { getTestSet, round, toDigest } from '../measure.ts';
import { detect, getSubject, getWeights } from '../subjects.ts';
import { type Figures, type Row, toRowId } from '../types.ts';
import { SUBJECT_SOURCES } from '../version.ts';

/** Seeds whose models are marked and attacked, and independent models of the same data. */
export const PLAN: Readonly<Record<ModelName, { readonly seeds: number; readonly nulls: number }>> = {
  mlp: { seeds: 5, nulls: 30 },
  cnn: { seeds: 2, nulls: 5 },
  'cnn-large': { seeds: 1, nulls: 0 },
  transformer: { seeds: 1, nulls: 0 },
};

export const FIDELITY_COUNT = 100_000;
const ATTACKED_COUNT = 10_000;
export const KEY_COUNT = 10_000;
export const LEVELS = [0.1, 0.01, 0.001];

async function computeFidelity(model: ModelName, seed: string): Promise<Figures> {
  const { spec, original, marked, record } = await getSubject(model, seed);
  const test = getTestSet(FIDELITY_COUNT);
  const [before, after] = [original, marked].map((weights) => classify(restoreNetwork(spec, weights), test));
  const counts = { right: 0, lost: 0, won: 0, same: 0 };
  for (const [item, label] of test.labels.entries()) {
    const [was, is] = [before[item] === label, after[item] === label];
    counts.right += Number(was);
    counts.lost += Number(was && !is);
    counts.won += Number(!was && is);
    counts.same += Number(before[item] === after[item]);
  }
  return {
    ...{ samples: test.count, accuracyOriginal: counts.right / test.count, lost: counts.lost, won: counts.won },
    ...{ argmaxAgreement: counts.same / test.count, tau: record.tau, weights: record.weights },
    relativeDistortion: round(record.relativeDistortion, 4),
    ...{ original: toDigest(original), marked: toDigest(marked) },
  };
}

async function computeAttack(model: ModelName, seed: string, attack: string): Promise<Figures> {
  const subject = await getSubject(model, seed);
  const weights = ATTACKS[attack].run(subject);
  const suspect = openNetwork(subject.spec, weights);
  const { verdict, evidenceBits, schemes } = detect(subject, suspect);
  // Fewest errors over the readings of whole messages: by name, and aligned to the original.
  const hard = schemes.filter(({ name }) => name.endsWith('/hard'));
  const accuracy = measureAccuracy(restoreNetwork(subject.spec, weights), getTestSet(ATTACKED_COUNT));
  return {
    ...{ verdict, evidenceBits: round(evidenceBits, 1), bits: hard[0].bits },
    bitErrors: Math.min(...hard.map(({ bitErrors }) => bitErrors)),
    ...{ accuracy: round(accuracy, 4), suspect: toDigest(weights) },
  };
}

/** Evidence that an independent model of the same data shows for each owner: it must be none of theirs. */
async function computeNull(model: ModelName, seed: string): Promise<Figures> {
  const seeds = Array.from({ length: PLAN[model].seeds }, (_, index) => String(index + 1));
  const owners = await Promise.all(seeds.map((owner) => getSubject(model, owner)));
  const weights = getWeights(model, seed);
  const suspect = openNetwork(owners[0].spec, weights);
  const results = owners.map((owner) => detect(owner, suspect));
  return {
    evidenceBits: results.map((result) => round(result.evidenceBits, 1)),
    verdicts: [...new Set(results.map((result) => result.verdict))].join(', '),
    suspect: toDigest(weights),
  };
}

/** P-values of keys that marked nothing, on a marked model and on a null model. */
async function computeKeys(model: ModelName, seed: string): Promise<Figures> {
  const subject = await getSubject(model, seed);
  const keySeed = new Uint8Array(createHash('sha256').update(`lab/keys/${model}/${seed}`).digest());
  const found = sampleNullKeys(openNetwork(subject.spec, subject.marked), KEY_COUNT, keySeed);
  const countBelow = (bits: (sample: (typeof found)[number]) => number): number[] =>
    LEVELS.map((alpha) => found.filter((sample) => 2 ** -bits(sample) <= alpha).length);
  const hardCounts = LEVELS.map((alpha) => {
    const { errorsMax } = toHardRegion(found[0].bits, alpha);
    return found.filter(({ bitErrors }) => bitErrors <= errorsMax).length;
  });
  return {
    ...{ keys: KEY_COUNT, bits: found[0].bits, hardCounts },
    ...{ softCounts: countBelow((sample) => sample.softBits) },
    finalCounts: countBelow((sample) => sample.evidenceBits),
    evidenceBitsMax: round(Math.max(...found.map((sample) => sample.evidenceBits)), 1),
    errorsMin: Math.min(...found.map((sample) => sample.bitErrors)),
    suspect: toDigest(subject.marked),
  };
}

const ATTACK_SOURCES = ['distill', 'fine-tune', 'matrices', 'noise', 'overwrite', 'prune', 'quantize'].map(
  (name) => `src/lab/attacks/${name}.ts`,
);

const SOURCES = [
  ...SUBJECT_SOURCES,
  ...ATTACK_SOURCES,
  ...['src/lab/attacks/permute', 'scripts/lab/attacks.ts', 'scripts/lab/rows/mark.ts'],
];

function createRow(model: ModelName, seed: string, measurement: string, compute: () => Promise<Figures>): Row {
  return { id: toRowId(model, seed, measurement), sources: SOURCES, compute };
}

function listModelRows(model: ModelName): Row[] {
  const { seeds, nulls } = PLAN[model];
  const marked = Array.from({ length: seeds }, (_, index) => String(index + 1)).flatMap((seed) => [
    createRow(model, seed, 'fidelity', () => computeFidelity(model, seed)),
    ...Object.keys(ATTACKS).map((attack) => createRow(model, seed, attack, () => computeAttack(model, seed, attack))),
  ]);
  const independent = Array.from({ length: nulls }, (_, index) => `null-${index + 1}`).map((seed) =>
    createRow(model, seed, 'null', () => computeNull(model, seed)),
  );
  return [...marked, ...independent, createRow(model, '1', 'keys', () => computeKeys(model, '1'))];
}

export function listMarkRows(): Row[] {
  return (Object.keys(PLAN) as ModelName[]).flatMap(listModelRows);
}
