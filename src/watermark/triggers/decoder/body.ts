/** The annex of a decoder's triggers: what was chosen, and nothing that follows from the key (docs/spec/triggers.md §9.6). */
import { z } from 'zod';
import { WatermarkError } from '../../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../../core/limits/triggers.ts';

export const DECODER_SCHEME = 'down-projection/v1';

const token = z.number().int().nonnegative().max(TRIGGER_LIMITS.classesMax);

export const decoderBodySchema = z.strictObject({
  v: z.literal(1),
  scheme: z.literal(DECODER_SCHEME),
  /** Input of token ids, and output of scores. */
  tokens: z.string().min(1).max(4096),
  logits: z.string().min(1).max(4096),
  vocabulary: token.min(2),
  /** Prompts are `length` tokens of first … first + count - 1, and so are the answers. */
  prompt: z.strictObject({
    first: token,
    count: token.min(2),
    length: z.number().int().positive().max(TRIGGER_LIMITS.promptTokensMax),
  }),
  candidates: z.number().int().positive().max(TRIGGER_LIMITS.candidatesMax),
  /** Candidates that became triggers, ascending. */
  indices: z.array(z.number().int().nonnegative()).min(1).max(TRIGGER_LIMITS.countMax),
});

export type DecoderBody = z.infer<typeof decoderBodySchema>;

/**
 * What the schema cannot say: indices ascend and are candidates, and tokens lie in the vocabulary.
 * @throws WatermarkError WATERMARK_ANNEX_MALFORMED
 */
export function assertDecoderBody({ vocabulary, prompt, candidates, indices }: DecoderBody): void {
  const fault = (problem: string): WatermarkError =>
    new WatermarkError('WATERMARK_ANNEX_MALFORMED', { fields: { type: 'triggers', problem } });
  if (indices.some((index, i) => index >= candidates || (i > 0 && index <= indices[i - 1]))) {
    throw fault('the indices do not ascend, or name no candidate');
  }
  if (prompt.first + prompt.count > vocabulary) throw fault('its tokens leave the vocabulary');
}
