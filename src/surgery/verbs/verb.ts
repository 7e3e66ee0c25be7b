/** What a verb is: the shape of its arguments, and what it does to a draft. */
import type { z } from 'zod';
import type { Draft } from '../draft/draft.ts';

export interface Verb<A, R> {
  readonly schema: z.ZodType<A>;
  /**
   * Changes the draft. Must depend on the draft and `args` alone, so that a replay does the same; may leave the draft half
   * changed when it throws, since the transaction drops it then.
   * @throws SurgeryError
   */
  readonly apply: (draft: Draft, args: A) => R;
}

/** Gives a verb its types from its schema. */
export function defineVerb<A, R>(schema: z.ZodType<A>, apply: (draft: Draft, args: A) => R): Verb<A, R> {
  return { schema, apply };
}
