/** The waiting side: sends calls to the asking thread, and sleeps until their answers came. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { SourceError } from '../../core/errors.ts';
import { OBJECT_LIMITS } from '../../core/limits/objects.ts';
import type { Answer, Ask, Call, Outcome, ThreadData } from './messages.ts';

export interface AskingThread {
  /** Sends a call and goes on. `transfer` is not the caller's any more. */
  send(ask: Ask, transfer?: readonly Uint8Array[]): number;
  /** Sleeps until the call is answered. @throws SourceError; each answer is taken once */
  wait(id: number, timeoutMs?: number): Extract<Outcome, { ok: true }>['value'];
  /** The answer is not wanted any more. */
  forget(id: number): void;
}

/** @param scriptPath absolute path of a script that calls `serveObjects`; started with the first call */
export function createAskingThread(scriptPath: string): AskingThread {
  const counter = new Int32Array(new SharedArrayBuffer(4));
  const outcomes = new Map<number, Outcome>();
  const forgotten = new Set<number>();
  let started: MessagePort | undefined;
  let calls = 0;

  const toPort = (): MessagePort => {
    if (started !== undefined) return started;
    const { port1, port2 } = new MessageChannel();
    const workerData: ThreadData = { answered: counter.buffer, port: port2 };
    // It must not keep the process alive.
    // Flags of this process, such as --input-type, may not fit a script of another kind.
    new Worker(scriptPath, { workerData, transferList: [port2], execArgv: [] }).unref();
    started = port1;
    return started;
  };
  const drain = (): void => {
    const port = toPort();
    for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
      const { id, outcome } = got.message as Answer;
      if (!forgotten.delete(id)) outcomes.set(id, outcome);
    }
  };
  return {
    send(ask, transfer = []) {
      const id = ++calls;
      const list = transfer.map(({ buffer }) => buffer as ArrayBuffer);
      toPort().postMessage({ id, ask } satisfies Call, list);
      return id;
    },
    wait(id, timeoutMs = OBJECT_LIMITS.threadMs) {
      for (;;) {
        const seen = Atomics.load(counter, 0);
        drain();
        const outcome = outcomes.get(id);
        if (outcome !== undefined) {
          outcomes.delete(id);
          return unfold(outcome);
        }
        const isStarting = seen === 0;
        if (Atomics.wait(counter, 0, seen, isStarting ? OBJECT_LIMITS.startMs : timeoutMs) === 'timed-out') {
          if (isStarting) throw new Error('internal error: the asking thread did not start');
          throw new SourceError('OBJECT_STORE_UNAVAILABLE', { fields: { reason: 'no answer', timeoutMs } });
        }
      }
    },
    forget(id) {
      if (!outcomes.delete(id)) forgotten.add(id);
    },
  };
}

function unfold(outcome: Outcome): Extract<Outcome, { ok: true }>['value'] {
  if (outcome.ok) return outcome.value;
  if ('internal' in outcome) throw new Error(`internal error: the asking thread: ${outcome.internal}`);
  const { code, message, fields } = outcome.error;
  throw new SourceError(code, { message, fields });
}
