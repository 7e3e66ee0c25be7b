/** Questions between the first process and a worker, each with one answer or one code. */
import { z } from 'zod';
import { type ErrorCode, ERRORS, type ErrorFields, GatewayError, ModelwardError } from '../../../core/errors.ts';
import { isOfProtocol } from '../../../gateway/index.ts';
import type { MessageLine } from '../../../gateway/ports.ts';

const PROTOCOL = 'modelward-cluster-1';

const id = z.int().min(1);
const fieldValue = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.union([z.string(), z.number()]))]);
const message = z.union([
  z.strictObject({ modelward: z.literal(PROTOCOL), ask: id, name: z.string(), argument: z.unknown().optional() }),
  z.strictObject({ modelward: z.literal(PROTOCOL), answer: id, result: z.unknown().optional() }),
  z.strictObject({
    modelward: z.literal(PROTOCOL),
    fail: id,
    code: z.string(),
    fields: z.record(z.string(), fieldValue),
  }),
]);

/** What this end answers, by name. Arguments are what the other end sent: each is to be checked. */
export type CallHandlers = Readonly<Record<string, (argument: unknown) => unknown>>;

/** Asks the other end. @throws ModelwardError with its code; GatewayError GATEWAY_WORKER_ENDED when the line ends before */
export type Call = (name: string, argument?: unknown) => Promise<unknown>;

interface Waiting {
  readonly done: (result: unknown) => void;
  readonly fail: (error: ModelwardError) => void;
}

export function createCalls(line: MessageLine, handlers: CallHandlers): Call {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  const failAll = (): void => {
    for (const { fail } of waiting.values()) fail(new GatewayError('GATEWAY_WORKER_ENDED'));
    waiting.clear();
  };
  const take = (number: number): Waiting | undefined => {
    const found = waiting.get(number);
    waiting.delete(number);
    return found;
  };
  const serve = async (number: number, name: string, argument: unknown): Promise<void> => {
    try {
      if (!Object.hasOwn(handlers, name)) throw new TypeError('internal error: no such call');
      const result = await handlers[name](argument);
      line.send({ modelward: PROTOCOL, answer: number, result });
    } catch (error) {
      const [code, fields] = error instanceof ModelwardError ? [error.code, error.fields] : ['UNKNOWN', {}];
      line.send({ modelward: PROTOCOL, fail: number, code, fields });
    }
  };
  line.onMessage((got) => {
    if (!isOfProtocol(got, PROTOCOL)) return;
    const read = message.safeParse(got);
    if (!read.success) return;
    const { data } = read;
    if ('ask' in data) void serve(data.ask, data.name, data.argument);
    else if ('answer' in data) take(data.answer)?.done(data.result);
    else take(data.fail)?.fail(toError(data.code, data.fields));
  });
  line.onEnd(failAll);
  return (name, argument) =>
    new Promise((done, fail) => {
      last += 1;
      waiting.set(last, { done, fail });
      if (!line.send({ modelward: PROTOCOL, ask: last, name, argument })) failAll();
    });
}

function toError(code: string, fields: ErrorFields): ModelwardError {
  return new ModelwardError(Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'GATEWAY_INTERNAL', { fields });
}
