/** A job queue in memory that keeps the contract of test/conformance/job-queue.ts, with an end of leases on demand. */
import { QueueError } from '../../src/core/errors.ts';
import type { JobQueue, JobState, TakenJob } from '../../src/core/job-queue.ts';

interface Row {
  readonly data: object;
  state: JobState;
  taken: number;
  retries: number;
}

export interface MemoryQueue extends JobQueue {
  /** What is in the queue, for tests that write there behind the back of the program. */
  readonly rows: Map<string, Row>;
  /** Ends the lease of a job that a worker has: it waits again. */
  readonly endLease: (id: string) => void;
  /** So many of the next calls find the queue out of reach. */
  breakOff(calls: number): void;
}

/** @param retryLimit times that a job is given out again */
export function createMemoryQueue(retryLimit = 1): MemoryQueue {
  const rows = new Map<string, Row>();
  let broken = 0;
  const reach = <T>(act: () => T): Promise<T> => {
    if (broken === 0) return Promise.resolve(act());
    broken -= 1;
    return Promise.reject(new QueueError('QUEUE_UNREACHABLE'));
  };
  const again = (row: Row): void => {
    row.state = { state: row.retries < retryLimit ? 'waiting' : 'lost' };
    row.retries += 1;
  };
  const hold = (id: string, row: Row): TakenJob => {
    const turn = ++row.taken;
    const isMine = (): boolean => row.taken === turn && row.state.state === 'running';
    return {
      id,
      data: structuredClone(row.data),
      retries: row.retries,
      extend: () => reach(isMine),
      finish: (result) =>
        reach(() => {
          if (isMine()) row.state = { state: 'done', result: structuredClone(result) };
        }),
      fail: () =>
        reach(() => {
          if (isMine()) again(row);
        }),
      giveBack: () =>
        reach(() => {
          if (isMine()) row.state = { state: 'waiting' };
        }),
    };
  };
  return {
    rows,
    endLease(id) {
      again(rows.get(id)!);
    },
    breakOff(calls) {
      broken = calls;
    },
    submit: (jobs) =>
      reach(() => {
        for (const { id, data } of jobs) {
          const { state } = rows.get(id)?.state ?? { state: 'lost' };
          if (state === 'waiting' || state === 'running') continue;
          rows.set(id, { data, state: { state: 'waiting' }, taken: 0, retries: 0 });
        }
      }),
    look: (ids) =>
      reach(() => new Map(ids.flatMap((id) => (rows.has(id) ? [[id, rows.get(id)!.state] as const] : [])))),
    withdraw: (ids) =>
      reach(() => ids.filter((id) => rows.get(id)?.state.state === 'waiting' && rows.delete(id)).length),
    take: () =>
      reach(() => {
        const found = [...rows].find(([, { state }]) => state.state === 'waiting');
        if (found === undefined) return null;
        found[1].state = { state: 'running' };
        return hold(...found);
      }),
    close: () => Promise.resolve(),
  };
}
