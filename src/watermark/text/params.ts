/** What a text mark is made of, as its annex fixes it (docs/spec/text-mark.md §1). */
import { z } from 'zod';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';

const valueName = z.string().min(1).max(4096);

const textParamsSchema = z.strictObject({
  scheme: z.literal('green-list/1'),
  /** Input with the token ids, [batch, tokens]. */
  tokens: valueName,
  /** Output with the scores of the next token, [batch, tokens or 1, vocabulary] or [batch, vocabulary]. */
  logits: valueName,
  vocabulary: z.number().int().min(16).max(WATERMARK_LIMITS.textVocabularyMax),
  /** Rows of the table; every token is a context of one of them. */
  buckets: z.number().int().min(1).max(WATERMARK_LIMITS.textBucketsMax),
  /** Share of tokens that are green after a token. */
  share: z.union([z.literal(0.25), z.literal(0.5)]),
  /** Added to the scores of green tokens, in nats. */
  bias: z.number().positive().max(20),
  /** SHA-256 of the list of words that token ids were read with, hex; null when texts can be read as ids alone. */
  wordsDigest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
});

export type TextParams = z.infer<typeof textParamsSchema>;

/** Body of an annex of type "text". */
export const textAnnexSchema = z.strictObject({
  v: z.literal(1),
  params: textParamsSchema,
  /** originalDigest of the model with the table in it, hex; it names the release. */
  markedDigest: z.string().regex(/^[0-9a-f]{64}$/),
});
export type TextAnnexBody = z.infer<typeof textAnnexSchema>;

/** Bytes of the table for so many tokens, one for each token and bucket, at most 32 MiB. */
export function toDefaultBuckets(vocabulary: number): number {
  const fitting = Math.floor(WATERMARK_LIMITS.textTableBytesMax / vocabulary);
  return Math.max(1, Math.min(256, fitting));
}
