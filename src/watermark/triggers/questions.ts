/** Triggers as questions to a model that one cannot look into (docs/spec/triggers.md §6). */
import { findHexBytes, zeroize } from '../../core/bytes.ts';
import { encodeValues } from '../../fidelity/index.ts';
import { type Annex, toAnnexBody } from '../annex.ts';
import type { Claim } from '../claim.ts';
import { verifyCommitment } from '../commitment.ts';
import type { Question, QuestionSet } from '../remote/questions.ts';
import { assertTriggerBody, toChoiceDigest, type TriggerBody, triggerBodySchema, type TriggerInput } from './body.ts';
import { deriveTriggerKeys, toTriggerLabels } from './keys.ts';
import { makePattern, toPatternPlane } from './patterns.ts';

export interface OpenTriggerOptions {
  readonly claim: Pick<Claim, 'commitment'>;
  /** An annex of type "triggers" of this claim, as `openAnnex` gives it. */
  readonly annex: Annex;
  /** S_trigger, 32 bytes. */
  readonly triggerSeed: Uint8Array;
}

/**
 * Inputs and labels are regenerated from the committed sub-seed; the annex has none. Evidence is exact: see
 * docs/spec/triggers.md §6.
 * @throws WatermarkError WATERMARK_SEED_MISMATCH when the sub-seed is not the committed one; WATERMARK_ANNEX_MALFORMED
 */
export function openTriggerQuestions({ claim, annex, triggerSeed }: OpenTriggerOptions): QuestionSet {
  verifyCommitment(claim.commitment, { purpose: 'trigger', subSeed: triggerSeed });
  const body = toAnnexBody(annex, triggerBodySchema);
  assertTriggerBody(body);
  const salt = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
  return toTriggerQuestions(body, triggerSeed, salt);
}

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
    statistic: { kind: 'exact', chance: 1 / classes, log2Trials: 0, nulls: [] },
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
