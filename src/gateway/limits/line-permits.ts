/**
 * Requests at work of the callers of one machine, counted in the first process (docs/spec/api-keys.md section 8). Parts for each
 * worker would let a caller who may have one request at work have one in each.
 */
import { z } from 'zod';
import { API_KEY_LIMITS, RATE_LIMITS } from '../../core/limits/api-keys.ts';
import type { Pause } from '../../core/ports.ts';
import { isOfProtocol, LineQuestions } from './line-questions.ts';
import type { LocalPermits, Permit, Permits } from './permits.ts';
import type { MessageLine } from './ports.ts';

const PROTOCOL = 'modelward-permits-1';

const enter = z.tuple([
  z.literal('enter'),
  z.int().min(1),
  z.string().min(1).max(512),
  z.int().min(1).max(API_KEY_LIMITS.concurrencyMax),
]);
const leave = z.tuple([z.literal('leave'), z.int().min(1)]);
const question = z.union([enter, leave]);
const questions = z.strictObject({
  modelward: z.literal(PROTOCOL),
  ask: z.array(question).max(RATE_LIMITS.lineMessageMax),
});
const answers = z.strictObject({
  modelward: z.literal(PROTOCOL),
  answer: z.array(z.tuple([z.int().min(1), z.boolean()])).max(RATE_LIMITS.lineMessageMax),
});

type Question = z.infer<typeof question>;

/** The end of the first process. What a worker holds is given back when its line ends. */
export function servePermits(line: MessageLine, permits: LocalPermits): void {
  const held = new Map<number, Permit>();
  line.onMessage((message) => {
    if (!isOfProtocol(message, PROTOCOL)) return;
    const asked = questions.safeParse(message);
    if (!asked.success) return;
    const given: (readonly [number, boolean])[] = [];
    for (const one of asked.data.ask) {
      const [kind, number] = one;
      if (kind === 'leave') {
        held.get(number)?.release();
        held.delete(number);
        continue;
      }
      const permit = held.has(number) ? null : permits.acquire({ id: one[2], limits: { concurrency: one[3] } });
      if (permit !== null) held.set(number, permit);
      given.push([number, permit !== null]);
    }
    if (given.length > 0) line.send({ modelward: PROTOCOL, answer: given });
  });
  line.onEnd(() => {
    for (const permit of held.values()) permit.release();
    held.clear();
  });
}

interface Given {
  readonly number: number;
  readonly isGiven: boolean;
}

/** The end of a worker. */
export function createLinePermits(line: MessageLine, { pause }: { readonly pause: Pause }): Permits {
  let count = 0;
  const asked = new LineQuestions<Question, Given>({
    ...{ line, protocol: PROTOCOL, pause, readAnswers },
    toUndo: (number, { isGiven }) => (isGiven ? ['leave', number] : null),
  });
  const free = (number: number): void => {
    count -= 1;
    asked.tell(['leave', number]);
  };
  return {
    acquire: async ({ id, limits }) => {
      const { number, isGiven } = await asked.ask((next) => ['enter', next, id, limits.concurrency]);
      if (!isGiven) return null;
      count += 1;
      return new LentPermit(number, free);
    },
    get count() {
      return count;
    },
  };
}

function readAnswers(message: unknown): readonly (readonly [number, Given])[] | null {
  const got = answers.safeParse(message);
  return got.success ? got.data.answer.map(([number, isGiven]) => [number, { number, isGiven }]) : null;
}

class LentPermit implements Permit {
  readonly #number: number;
  #free: ((number: number) => void) | null;

  constructor(number: number, free: (number: number) => void) {
    this.#number = number;
    this.#free = free;
  }

  release(): void {
    const free = this.#free;
    this.#free = null;
    free?.(this.#number);
  }
}
