/** What is seen of workers: a word of each that says one in time. */
import { CLUSTER_LIMITS } from '../../../core/limits/cluster.ts';
import type { Call } from './cluster-calls.ts';
import { statusSchema, type WorkerStatus } from './cluster-messages.ts';

/** A worker that serves. */
interface Asked {
  readonly call: Call;
}

/** None, or one: a worker whose answer is none of the form is not seen. */
type Told = readonly WorkerStatus[];

const NOTHING: Told = [];

function toTold(value: unknown): Told {
  const { data } = statusSchema.safeParse(value);
  return data === undefined ? NOTHING : [data];
}

/**
 * Asks each worker what it has. One that does not answer in time, such as one that hangs, counts as not there, and is not asked
 * again before it has answered.
 */
export function createStatusReader(
  after: (ms: number, work: () => void) => () => void,
): (workers: Iterable<Asked>) => Promise<Told> {
  const waiting = new Map<Asked, Promise<Told>>();
  const ask = (one: Asked): Promise<Told> => {
    const asked = one
      .call('status')
      .then(toTold, () => NOTHING)
      .finally(() => waiting.delete(one));
    waiting.set(one, asked);
    return asked;
  };
  const askInTime = (one: Asked): Promise<Told> =>
    new Promise((done) => {
      const takeBack = after(CLUSTER_LIMITS.statusTimeoutMs, () => {
        done(NOTHING);
      });
      void (waiting.get(one) ?? ask(one)).then((told) => {
        takeBack();
        done(told);
      });
    });
  return async (workers) => (await Promise.all(Array.from(workers, askInTime))).flat();
}
