/** Questions of a worker to the first process: what is asked in one turn of the event loop goes in one message. */
import { GatewayError } from '../../core/errors.ts';
import { RATE_LIMITS } from '../../core/limits/api-keys.ts';
import type { Pause } from '../../core/ports.ts';
import type { MessageLine } from './ports.ts';

export interface LineQuestionsOptions<Question, Answer> {
  readonly line: MessageLine;
  /** Member `modelward` of each message. */
  readonly protocol: string;
  readonly pause: Pause;
  /** Answers by number; null for a message that is not of the form. */
  readonly readAnswers: (message: unknown) => readonly (readonly [number: number, answer: Answer])[] | null;
  /** Gives back what was answered after nobody waited any more. */
  readonly toUndo?: (number: number, answer: Answer) => Question | null;
}

interface Waiting<Answer> {
  readonly done: (answer: Answer) => void;
  readonly fail: (error: GatewayError) => void;
}

export class LineQuestions<Question, Answer> {
  readonly #options: LineQuestionsOptions<Question, Answer>;
  readonly #waiting: WaitingAnswers<Answer>;
  #queue: Question[] = [];
  #isOpen = true;
  #last = 0;

  constructor(options: LineQuestionsOptions<Question, Answer>) {
    this.#options = options;
    this.#waiting = new WaitingAnswers(options.pause);
    const { line, protocol, readAnswers } = options;
    line.onMessage((message) => {
      if (isOfProtocol(message, protocol))
        for (const [number, answer] of readAnswers(message) ?? []) this.#take(number, answer);
    });
    line.onEnd(() => {
      this.close();
    });
  }

  /** @throws GatewayError LIMITS_STORE_FAILED: the line has ended, too many wait, or no answer came in time */
  ask(toQuestion: (number: number) => Question): Promise<Answer> {
    if (!this.#isOpen || this.#waiting.size >= RATE_LIMITS.linePendingMax) throw toFailure('line');
    this.#last += 1;
    this.tell(toQuestion(this.#last));
    return this.#waiting.add(this.#last);
  }

  /** Something that has no answer. */
  tell(question: Question): void {
    if (this.#isOpen && this.#queue.push(question) === 1) queueMicrotask(this.#flush);
  }

  close(): void {
    this.#isOpen = false;
    this.#queue = [];
    this.#waiting.failAll('line');
  }

  readonly #flush = (): void => {
    const ask = this.#queue;
    this.#queue = [];
    const { line, protocol } = this.#options;
    if (ask.length > 0 && !line.send({ modelward: protocol, ask })) this.#waiting.failAll('line');
  };

  #take(number: number, answer: Answer): void {
    const waiting = this.#waiting.take(number);
    if (waiting !== undefined) {
      waiting.done(answer);
      return;
    }
    const undo = this.#options.toUndo?.(number, answer) ?? null;
    if (undo !== null) this.tell(undo);
  }
}

/** Cheap, and before anything is checked: several protocols share a line. */
export function isOfProtocol(message: unknown, protocol: string): boolean {
  return typeof message === 'object' && message !== null && 'modelward' in message && message.modelward === protocol;
}

function toFailure(reason: 'line' | 'time'): GatewayError {
  return new GatewayError('LIMITS_STORE_FAILED', { fields: { reason } });
}

/** Those that ask, in two ages: whoever is still old when a time-out is over has waited for one to two of them. */
class WaitingAnswers<Answer> {
  readonly #pause: Pause;
  #young = new Map<number, Waiting<Answer>>();
  #old = new Map<number, Waiting<Answer>>();
  #isAgeing = false;

  constructor(pause: Pause) {
    this.#pause = pause;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  add(number: number): Promise<Answer> {
    if (!this.#isAgeing) void this.#age();
    return new Promise((done, fail) => {
      this.#young.set(number, { done, fail });
    });
  }

  take(number: number): Waiting<Answer> | undefined {
    const found = this.#young.get(number) ?? this.#old.get(number);
    if (!this.#young.delete(number)) this.#old.delete(number);
    return found;
  }

  failAll(reason: 'line' | 'time'): void {
    const all = [...this.#young.values(), ...this.#old.values()];
    this.#young.clear();
    this.#old.clear();
    for (const { fail } of all) fail(toFailure(reason));
  }

  async #age(): Promise<void> {
    this.#isAgeing = true;
    do {
      await this.#pause(RATE_LIMITS.lineTimeoutMs);
      const late = this.#old;
      this.#old = this.#young;
      this.#young = new Map();
      for (const { fail } of late.values()) fail(toFailure('time'));
    } while (this.size > 0);
    this.#isAgeing = false;
  }
}
