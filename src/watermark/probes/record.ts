/** The body of an annex of type "probes": what was asked, what our model answered, how strangers do (docs/spec/remote-check.md §3.5). */
import { z } from 'zod';
import { findHexBytes, isEqualConstantTime, zeroize } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import { type Annex, createAnnex, toAnnexBody } from '../annex.ts';
import type { Claim } from '../claim.ts';
import { verifyCommitment } from '../commitment.ts';
import type { Answer, NullAgreement, Question } from '../remote/questions.ts';
import { toChance } from './chance.ts';
import { deriveProbeKey, makeProbe, toProbesDigest } from './inputs.ts';
import { assertMakeable, type ProbePlan, probePlanSchema } from './plan.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const poolIndex = z.number().int().min(0).max(REMOTE_LIMITS.poolMax);

const bodySchema = z
  .strictObject({
    v: z.literal(1),
    plan: probePlanSchema,
    /** As `toProbesDigest`. */
    inputsDigest: hex32,
    /** Format-neutral digest of the model that answered: the original or the marked one. Null where only answers were seen. */
    modelDigest: hex32.nullable(),
    /** Answers to the probes of the pool, from the first on; an empty text where ours gave none. */
    answers: z
      .array(z.union([z.number().int().min(0).max(REMOTE_LIMITS.classesMax), z.string().max(64)]))
      .min(REMOTE_LIMITS.questionsMin)
      .max(REMOTE_LIMITS.poolMax),
    /** Probes that are asked, rising; null when all are. */
    chosen: z.array(poolIndex).min(REMOTE_LIMITS.questionsMin).max(REMOTE_LIMITS.questionsMax).nullable(),
    nulls: z
      .array(
        z.strictObject({ name: z.string().max(255), digest: hex32.nullable(), agreement: z.number().min(0).max(1) }),
      )
      .max(REMOTE_LIMITS.nullsMax),
    /** As `toChance` gives it. */
    chance: z.number().gt(0).lt(1),
  })
  .refine(({ answers, plan }) => answers.every((one) => fits(one, plan)))
  .refine(({ answers, chosen }) => chosen === null || isRising(chosen, answers.length))
  .refine(({ answers, chosen }) => chosen !== null || answers.length <= REMOTE_LIMITS.questionsMax);

function fits(answer: Answer, plan: ProbePlan): boolean {
  return plan.kind === 'text' ? typeof answer === 'string' : typeof answer === 'number' && answer < plan.classes;
}

function isRising(indices: readonly number[], end: number): boolean {
  return indices.every((index, at) => index < end && (at === 0 || index > indices[at - 1]));
}

export type ProbeRecord = z.infer<typeof bodySchema>;

export interface CreateProbeRecordOptions extends Pick<ProbeRecord, 'plan' | 'answers' | 'modelDigest' | 'chosen'> {
  /** As `deriveProbeKey`. */
  readonly key: Uint8Array;
  readonly nulls: readonly NullAgreement[];
}

export function createProbeRecord(options: CreateProbeRecordOptions): ProbeRecord {
  const { key, plan, answers, modelDigest, chosen } = options;
  const nulls = options.nulls.map(({ name, digest, agreement }) => ({ name, digest, agreement }));
  const { chance } = toChance({ nulls, answers: pickAnswers(answers, chosen), isRare: chosen !== null });
  const inputsDigest = toProbesDigest(key, plan, answers.length);
  return { v: 1, plan, inputsDigest, modelDigest, answers, chosen, nulls, chance };
}

/** What no reader would open must not be recorded. @throws WatermarkError WATERMARK_ANNEX_MALFORMED | WATERMARK_ANNEX_TOO_LARGE */
export function assertProbeRecord(claim: Pick<Claim, 'commitment'>, record: ProbeRecord): void {
  toAnnexBody(createAnnex(claim, { type: 'probes', body: record }), bodySchema);
}

/** The recorded answers to the probes that are asked. */
export function pickAnswers(answers: readonly Answer[], chosen: readonly number[] | null): readonly Answer[] {
  return chosen === null ? answers : chosen.map((index) => answers[index]);
}

/** All probes that an annex has answers to. */
export interface ProbePool {
  readonly record: ProbeRecord;
  readonly size: number;
  readonly probe: (index: number) => Question;
  /** Zeroes the key; probes that are made afterwards are not those of the pool. */
  readonly forget: () => void;
}

export interface OpenPoolOptions {
  readonly claim: Pick<Claim, 'commitment'>;
  /** As `openAnnex` gives it. */
  readonly annex: Annex;
  /** S_probe, 32 bytes; not kept. */
  readonly subSeed: Uint8Array;
}

/**
 * Opens a probe annex: inputs are made from the committed sub-seed, the annex only says in which form.
 * @throws WatermarkError WATERMARK_SEED_MISMATCH for a sub-seed that is not the committed one; WATERMARK_ANNEX_MALFORMED
 *   naming the members that do not fit
 * @throws RemoteError PROBES_NOT_DERIVED when the answers belong to other inputs; PROBES_CHANCE_TOO_LOW when the
 *   recorded rate of strangers is below the rule's; PROBES_MODEL_UNFIT for sizes that nobody can make
 */
export function openProbePool({ claim, annex, subSeed }: OpenPoolOptions): ProbePool {
  verifyCommitment(claim.commitment, { purpose: 'probe', subSeed });
  const record = toAnnexBody(annex, bodySchema);
  const { plan, answers } = record;
  assertMakeable(plan, answers.length);
  const originalDigest = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
  const key = deriveProbeKey(subSeed, originalDigest);
  const forget = (): void => {
    zeroize(key);
  };
  try {
    assertDerived(record, key);
    assertChance(record);
  } catch (error) {
    forget();
    throw error;
  }
  return { record, size: answers.length, probe: (index) => makeProbe(key, plan, index), forget };
}

function assertDerived({ inputsDigest, plan, answers }: ProbeRecord, key: Uint8Array): void {
  const actual = findHexBytes(toProbesDigest(key, plan, answers.length)) ?? new Uint8Array(0);
  if (isEqualConstantTime(findHexBytes(inputsDigest) ?? new Uint8Array(0), actual)) return;
  throw new RemoteError('PROBES_NOT_DERIVED');
}

/** Rates are sums of few doubles: the last digits may differ from one implementation to another. */
const CHANCE_TOLERANCE = 1e-9;

function assertChance({ chance, nulls, answers, chosen }: ProbeRecord): void {
  const ruled = toChance({ nulls, answers: pickAnswers(answers, chosen), isRare: chosen !== null }).chance;
  if (chance >= ruled - CHANCE_TOLERANCE) return;
  throw new RemoteError('PROBES_CHANCE_TOO_LOW', { fields: { expected: ruled, actual: chance } });
}
