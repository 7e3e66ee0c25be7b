/** The annex of last-layer triggers: what was chosen, and nothing that follows from the key (docs/spec/triggers.md §5). */
import { z } from 'zod';
import { type Json, toCanonicalJsonBytes } from '../../core/canonical-json.ts';
import { WatermarkError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { TRIGGER_LIMITS } from '../../core/limits/triggers.ts';
import { DTYPES, type DType } from '../../model/dtype.ts';

export const TRIGGER_SCHEME = 'last-layer/v2';

const inputSchema = z.strictObject({
  name: z.string().min(1).max(4096),
  dtype: z.enum(Object.keys(DTYPES) as [DType, ...DType[]]),
  /** Of one item, without the batch axis. */
  shape: z.array(z.number().int().positive().max(TRIGGER_LIMITS.inputElementsMax)).max(TRIGGER_LIMITS.rankMax),
  /** Values of patterns, which lie in [0, 1], are drawn out to this range. */
  low: z.number(),
  high: z.number(),
});

export const triggerBodySchema = z.strictObject({
  v: z.literal(1),
  scheme: z.literal(TRIGGER_SCHEME),
  input: inputSchema,
  output: z.string().min(1).max(4096),
  classes: z.number().int().min(2).max(TRIGGER_LIMITS.classesMax),
  candidates: z.number().int().positive().max(TRIGGER_LIMITS.candidatesMax),
  /** Candidates that became triggers, ascending. */
  indices: z.array(z.number().int().nonnegative()).min(1).max(TRIGGER_LIMITS.countMax),
});

export type TriggerBody = z.infer<typeof triggerBodySchema>;
export type TriggerInput = TriggerBody['input'];

/** SHA-256 of the RFC 8785 form of the whole body: what the labels hang on. */
export function toChoiceDigest(body: Json): Uint8Array {
  return sha256(toCanonicalJsonBytes(body));
}

/**
 * What the schema cannot say: indices ascend and are candidates, the range is one, and an input has a bounded size.
 * @throws WatermarkError WATERMARK_ANNEX_MALFORMED
 */
export function assertTriggerBody({ input, candidates, indices }: TriggerBody): void {
  const fault = (problem: string): WatermarkError =>
    new WatermarkError('WATERMARK_ANNEX_MALFORMED', { fields: { type: 'triggers', problem } });
  if (indices.some((index, i) => index >= candidates || (i > 0 && index <= indices[i - 1]))) {
    throw fault('the indices do not ascend, or name no candidate');
  }
  if (!(input.high > input.low)) throw fault('the range of the values is empty');
  const elements = input.shape.reduce((product, dim) => product * dim, 1);
  if (elements > TRIGGER_LIMITS.inputElementsMax) throw fault('an input is too large');
}
