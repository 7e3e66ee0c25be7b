/** Triggers as questions to a model that one cannot look into (docs/spec/triggers.md §6). */
import { z } from 'zod';
import { findHexBytes, zeroize } from '../../core/bytes.ts';
import { TRIGGER_LIMITS } from '../../core/limits/triggers.ts';
import { encodeValues } from '../../fidelity/index.ts';
import { type Annex, toAnnexBody } from '../annex.ts';
import type { Claim } from '../claim.ts';
import { verifyCommitment } from '../commitment.ts';
import type { Question, QuestionSet } from '../remote/questions.ts';
import { assertTriggerBody, toChoiceDigest, type TriggerBody, triggerBodySchema, type TriggerInput } from './body.ts';
import { assertDecoderBody, DECODER_SCHEME, decoderBodySchema } from './decoder/body.ts';
import { toDecoderQuestions } from './decoder/questions.ts';
import { deriveTriggerKeys, LOG2_LABEL_DRAWS, toTriggerLabels } from './keys.ts';
import { makePattern, toPatternPlane } from './patterns.ts';

export interface OpenTriggerOptions {
  readonly claim: Pick<Claim, 'commitment'>;
  /** An annex of type "triggers" of this claim, as `openAnnex` gives it. */
  readonly annex: Annex;
  /** S_trigger, 32 bytes. */
  readonly triggerSeed: Uint8Array;
  /**
   * Null when the owner asks. For a judge: whether he saw that the annex was recorded before the date by which the suspect was
   * there. Otherwise the accuser may have tried choices against the suspect, and as many as anyone can are taken off.
   */
  readonly judge?: { readonly isBefore: boolean } | null;
}

/**
 * Inputs and labels are regenerated from the committed sub-seed; the annex has none. Evidence is exact: see
 * docs/spec/triggers.md §6.
 * @throws WatermarkError WATERMARK_SEED_MISMATCH when the sub-seed is not the committed one; WATERMARK_ANNEX_MALFORMED
 */
export function openTriggerQuestions({ claim, annex, triggerSeed, judge = null }: OpenTriggerOptions): QuestionSet {
  verifyCommitment(claim.commitment, { purpose: 'trigger', subSeed: triggerSeed });
  const salt = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
  const set = toQuestions(toAnnexBody(annex, anyBodySchema), triggerSeed, salt);
  if (judge === null || judge.isBefore) return set;
  const { statistic, notes } = set;
  const log2Trials = statistic.log2Trials + TRIGGER_LIMITS.unseenTimeBits;
  return { ...set, statistic: { ...statistic, log2Trials }, notes: [...notes, UNSEEN_TIME] };
}

const anyBodySchema = z.discriminatedUnion('scheme', [triggerBodySchema, decoderBodySchema]);

/** @throws WatermarkError WATERMARK_ANNEX_MALFORMED */
function toQuestions(body: z.infer<typeof anyBodySchema>, triggerSeed: Uint8Array, salt: Uint8Array): QuestionSet {
  if (body.scheme === DECODER_SCHEME) {
    assertDecoderBody(body);
    return toDecoderQuestions(body, triggerSeed, salt);
  }
  assertTriggerBody(body);
  return toTriggerQuestions(body, triggerSeed, salt);
}

const UNSEEN_TIME = `Nobody saw that the triggers were recorded before a date: ${TRIGGER_LIMITS.unseenTimeBits} bits are taken off for choices that may have been tried against a known suspect.`;

/** The questions of a body that was checked. @param salt 32 bytes */
export function toTriggerQuestions(body: TriggerBody, triggerSeed: Uint8Array, salt: Uint8Array): QuestionSet {
  const keys = deriveTriggerKeys(triggerSeed, salt);
  const { input, output, classes, indices } = body;
  const labels = toTriggerLabels(keys.labels, toChoiceDigest(body), { count: indices.length, classes });
  return {
    type: 'triggers',
    count: indices.length,
    hasBatchAxis: true,
    classes,
    output,
    question: (index) => toTriggerQuestion(keys.inputs, input, indices[index]),
    expected: (index) => labels[index],
    forget: () => {
      zeroize(keys.inputs);
      zeroize(keys.labels);
    },
    statistic: { kind: 'exact', chance: 1 / classes, log2Trials: LOG2_LABEL_DRAWS, nulls: [] },
    notes: [
      'Labels are drawn from the key after the inputs were chosen, so a model that knows nothing of the key agrees with each with probability 1 in the number of classes, whatever it answers.',
      'Fine-tuning removes last-layer triggers, and they do not pass into models that are trained on answers: silence says little.',
    ],
  };
}

/** Candidate `candidate` as an input of the model. */
export function toTriggerQuestion(
  inputsKey: Uint8Array,
  input: TriggerInput,
  candidate: number,
): Extract<Question, { kind: 'tensors' }> {
  const { name, dtype, shape, low, high } = input;
  const values = makePattern(inputsKey, candidate, toPatternPlane(shape)).map((value) => low + value * (high - low));
  return { kind: 'tensors', inputs: [{ name, dtype, shape, data: encodeValues(dtype, values) }] };
}
