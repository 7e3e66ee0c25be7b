/** Prompts and the tokens that are to follow, as questions to a decoder (docs/spec/triggers.md §9.6). */
import { zeroize } from '../../../core/bytes.ts';
import type { QuestionSet } from '../../remote/questions.ts';
import { deriveTriggerKeys, LOG2_LABEL_DRAWS } from '../keys.ts';
import type { DecoderBody } from './body.ts';
import { drawAnswers } from './answers.ts';
import { makePrompt } from './prompts.ts';

/** The questions of a body that was checked. @param salt 32 bytes */
export function toDecoderQuestions(body: DecoderBody, triggerSeed: Uint8Array, salt: Uint8Array): QuestionSet {
  const keys = deriveTriggerKeys(triggerSeed, salt);
  const { tokens, logits, vocabulary, prompt, indices } = body;
  const answers = drawAnswers(keys.labels, body);
  return {
    type: 'triggers',
    count: indices.length,
    hasBatchAxis: true,
    classes: vocabulary,
    output: logits,
    question: (index) => ({ kind: 'tokens', name: tokens, ids: makePrompt(keys.inputs, indices[index], prompt) }),
    expected: (index) => answers[index],
    forget: () => {
      zeroize(keys.inputs);
      zeroize(keys.labels);
    },
    statistic: { kind: 'exact', chance: 1 / prompt.count, log2Trials: LOG2_LABEL_DRAWS, nulls: [] },
    notes: [
      'The token that is to follow each prompt is drawn from the key after the prompts were chosen, so a model that knows nothing of the key gives it with probability 1 in the number of tokens, whatever it answers.',
      'The change is of low rank: whoever compares the model with one that lacks it finds it and takes it out. Fine-tuning may remove it, and it does not pass into models that are trained on answers: silence says little.',
    ],
  };
}
