/** Formats that ask texts, in the shape of the OpenAI API, which most servers of language models speak. */
import type { Answer, Question } from '../questions.ts';
import { findMember, toTextAnswer } from './json.ts';
import type { FormatContext, RequestFormat } from './types.ts';

/** Enough for one word in every usual vocabulary; more would cost the owner and tell nothing. */
const TOKENS_MAX = 8;

function toPrompt(question: Question): string {
  if (question.kind !== 'text') throw new TypeError('this format asks texts');
  return question.prompt;
}

/** Temperature 0: the likeliest word; the seed helps servers that draw all the same. */
function toSettings({ model }: FormatContext): object {
  return { ...(model !== null && { model }), max_tokens: TOKENS_MAX, temperature: 0, seed: 0 };
}

function listChoices(reply: unknown): readonly unknown[] {
  const choices = findMember(reply, 'choices');
  return Array.isArray(choices) ? (choices as unknown[]) : [];
}

/** POST …/v1/chat/completions: one prompt per request, answer in choices[0].message.content. */
export const chatFormat: RequestFormat = {
  kind: 'text',
  isBatched: false,
  write: ([question], context) => ({
    ...toSettings(context),
    messages: [{ role: 'user', content: toPrompt(question) }],
  }),
  read: (reply) => [toTextAnswer(findMember(findMember(listChoices(reply)[0], 'message'), 'content'))],
};

/** POST …/v1/completions: several prompts per request, each choice with the index of its prompt. */
export const completionsFormat: RequestFormat = {
  kind: 'text',
  isBatched: true,
  write: (questions, context) => ({
    ...toSettings(context),
    prompt: questions.length === 1 ? toPrompt(questions[0]) : questions.map(toPrompt),
  }),
  read: (reply, count) => {
    const answers: (Answer | null)[] = Array<null>(count).fill(null);
    for (const choice of listChoices(reply)) {
      const index = findMember(choice, 'index') ?? 0;
      if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < count) {
        answers[index] ??= toTextAnswer(findMember(choice, 'text'));
      }
    }
    return answers;
  },
};
