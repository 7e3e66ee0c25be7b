/** Rates of the workers of one machine, counted in the first process: the protocol of docs/spec/api-keys.md section 8, both ends. */
import { z } from 'zod';
import { API_KEY_LIMITS, RATE_LIMITS } from '../../core/limits/api-keys.ts';
import type { Pause } from '../../core/ports.ts';
import { isOfProtocol, LineQuestions } from './line-questions.ts';
import type { MemoryRates } from './memory-rates.ts';
import type { MessageLine, RatePolicy, RateStore, RateTake } from './ports.ts';

const PROTOCOL = 'modelward-rates-1';

const question = z.tuple([
  z.enum(['take', 'refund', 'drain']),
  z.int().min(0),
  z.string().min(1).max(512),
  z.number().positive().max(API_KEY_LIMITS.perMinuteMax),
  z.int().min(1).max(API_KEY_LIMITS.burstMax),
]);
const questions = z.strictObject({
  modelward: z.literal(PROTOCOL),
  ask: z.array(question).max(RATE_LIMITS.lineMessageMax),
});
const answer = z.tuple([z.int().min(0), z.boolean(), z.number(), z.number(), z.number()]);
const answers = z.strictObject({
  modelward: z.literal(PROTOCOL),
  answer: z.array(answer).max(RATE_LIMITS.lineMessageMax),
});

type Question = z.infer<typeof question>;

/** The end of the first process. Messages of other protocols are left alone. */
export function serveRates(line: MessageLine, rates: MemoryRates): void {
  line.onMessage((message) => {
    if (!isOfProtocol(message, PROTOCOL)) return;
    const asked = questions.safeParse(message);
    if (!asked.success) return;
    const given: z.infer<typeof answer>[] = [];
    for (const [kind, number, subject, perMinute, burst] of asked.data.ask) {
      const policy = { perMinute, burst };
      if (kind === 'refund') rates.refund(subject, policy);
      if (kind === 'drain') {
        rates.drain();
        given.push([number, true, 0, 0, 0]);
      }
      if (kind === 'take') {
        const { isAdmitted, remaining, retryAfterMs, resetMs } = rates.take(subject, policy);
        given.push([number, isAdmitted, remaining, retryAfterMs, resetMs]);
      }
    }
    if (given.length > 0) line.send({ modelward: PROTOCOL, answer: given });
  });
}

/** Stands where a caller would, in what concerns all of them. */
const ALL = '*';

/** The end of a worker. */
export function createLineRates(line: MessageLine, { pause }: { readonly pause: Pause }): RateStore {
  const asked = new LineQuestions<Question, RateTake>({ line, protocol: PROTOCOL, pause, readAnswers });
  const ask = (kind: 'take' | 'drain', subject: string, { perMinute, burst }: RatePolicy): Promise<RateTake> =>
    asked.ask((number) => [kind, number, subject, perMinute, burst]);
  return {
    take: (subject, policy) => ask('take', subject, policy),
    refund: (subject, { perMinute, burst }) => {
      asked.tell(['refund', 0, subject, perMinute, burst]);
    },
    drain: async () => {
      await ask('drain', ALL, { perMinute: 1, burst: 1 });
    },
    close: () => {
      asked.close();
      return Promise.resolve();
    },
  };
}

function readAnswers(message: unknown): readonly (readonly [number, RateTake])[] | null {
  const got = answers.safeParse(message);
  if (!got.success) return null;
  return got.data.answer.map(([number, isAdmitted, remaining, retryAfterMs, resetMs]) => [
    number,
    { isAdmitted, remaining, retryAfterMs, resetMs },
  ]);
}
