/** Asks for the token after token ids, in the shape of the OpenAI completions API. */
import type { Answer, Question } from '../questions.ts';
import { findMember } from './json.ts';
import type { FormatContext, RequestFormat } from './types.ts';

function toIds(question: Question): readonly number[] {
  if (question.kind !== 'tokens') throw new TypeError('this format asks token ids');
  return [...question.ids];
}

/**
 * POST …/v1/completions with a list of token ids as prompt, one token asked for. The id of that token comes back in ways that
 * differ: vLLM has `return_token_ids` (a list in the choice) and `return_tokens_as_token_ids` ("token_id:5" among the log
 * probabilities), llama.cpp `return_tokens`. Where a service gives the text alone, the list of tokens (`labels`) says which it was.
 */
export const tokensFormat: RequestFormat = {
  kind: 'tokens',
  isBatched: true,
  write: (questions, { model }) => ({
    ...(model !== null && { model }),
    prompt: questions.length === 1 ? toIds(questions[0]) : questions.map(toIds),
    ...{ max_tokens: 1, temperature: 0, seed: 0, logprobs: 1, add_special_tokens: false },
    ...{ return_token_ids: true, return_tokens_as_token_ids: true, return_tokens: true },
  }),
  read: (reply, count, context) => {
    const answers: (Answer | null)[] = Array<null>(count).fill(null);
    const choices = findMember(reply, 'choices');
    for (const choice of Array.isArray(choices) ? (choices as unknown[]) : [reply]) {
      const index = findMember(choice, 'index') ?? 0;
      if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < count) {
        answers[index] ??= toTokenAnswer(choice, context);
      }
    }
    return answers;
  },
};

const NAMED = /^token_id:(\d{1,7})$/;

function toTokenAnswer(choice: unknown, context: FormatContext): number | null {
  const tokens = [findMember(choice, 'token_ids'), findMember(choice, 'tokens')].find(Array.isArray) as
    | unknown[]
    | undefined;
  const [id] = tokens ?? [];
  if (typeof id === 'number') return toKnown(id, context);
  const named = findMember(findMember(choice, 'logprobs'), 'tokens');
  const [name] = Array.isArray(named) ? (named as unknown[]) : [];
  const found = typeof name === 'string' ? NAMED.exec(name) : null;
  if (found !== null) return toKnown(Number(found[1]), context);
  const text = findMember(choice, 'text');
  return typeof text === 'string' ? (context.labels.get(text) ?? context.labels.get(text.trim()) ?? null) : null;
}

function toKnown(id: number, { classes }: FormatContext): number | null {
  return Number.isInteger(id) && id >= 0 && id < (classes ?? 0) ? id : null;
}
