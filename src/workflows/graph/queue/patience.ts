/** Calls of a queue that may be out of reach for a moment. */
import { QueueError } from '../../../core/errors.ts';
import type { Pause } from '../../../core/ports.ts';

/** Seconds between attempts: about two minutes in all, time for a server to be started again. */
const PAUSES_SECONDS = [1, 2, 4, 8, 15, 30, 60] as const;

export function isOutOfReach(error: unknown): boolean {
  return error instanceof QueueError && error.code === 'QUEUE_UNREACHABLE';
}

/** Repeats `call` while the queue is out of reach. @throws QueueError QUEUE_UNREACHABLE when it stays so; any other error */
export async function withPatience<T>(pause: Pause, call: () => Promise<T>): Promise<T> {
  for (const seconds of PAUSES_SECONDS) {
    try {
      return await call();
    } catch (error) {
      if (!isOutOfReach(error)) throw error;
    }
    await pause(seconds * 1000);
  }
  return call();
}
