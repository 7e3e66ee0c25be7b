/** Candidate prompts: keyed tokens, unlike any text (docs/spec/triggers.md §9.2). */
import { createPrfStream } from '../../../core/prf.ts';
import { STREAM_DOMAIN } from '../../seeds.ts';

/** Which tokens prompts and answers are made of, and how many make a prompt. */
export interface PromptRange {
  readonly first: number;
  readonly count: number;
  readonly length: number;
}

/** Token ids of candidate `index`. @param key K_inputs, 32 bytes */
export function makePrompt(key: Uint8Array, index: number, { first, count, length }: PromptRange): Int32Array {
  const stream = createPrfStream(key, { domain: STREAM_DOMAIN.triggerPrompt, index });
  return Int32Array.from({ length }, () => first + stream.below(count));
}
