/** The suite that every job queue passes: who gets which job, when it is repeated, what a silent worker loses. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { JobQueue, TakenJob } from '../../src/core/job-queue.ts';

/** A fresh queue whose jobs are tried twice. */
export interface QueueUnderTest {
  readonly queue: JobQueue;
  /** Another process at the same queue; jobs whose lease ended are given out again once it is there. */
  readonly again: () => Promise<JobQueue>;
  /** Ends the lease of a job that a worker has. */
  readonly endLease: (id: string) => void;
}

export interface JobQueueSuite {
  readonly name: string;
  readonly make: () => Promise<QueueUnderTest>;
}

/** The next job. @throws TypeError when none waits */
async function take(queue: JobQueue): Promise<TakenJob> {
  const job = await queue.take();
  if (job === null) throw new TypeError('no job waits');
  return job;
}

/** Runs the shared contract over one queue. */
export function runJobQueueSuite({ name, make }: JobQueueSuite): void {
  const ids: readonly string[] = Array.from({ length: 3 }, () => randomUUID());
  const [id] = ids;

  describe(`job queue contract: ${name}`, () => {
    test('each job goes to one taker, with what it holds, the oldest first; results come back', async () => {
      const { queue, again } = await make();
      const other = await again();
      for (const [at, one] of ids.entries()) await queue.submit([{ id: one, data: { at } }]);
      const taken = [await take(queue), await take(other), await take(queue)];
      expect(await other.take()).toBeNull();
      expect(taken.map((job) => [job.id, job.data])).toEqual(ids.map((one, at) => [one, { at }]));
      await taken[0].finish({ fine: true });
      const states = await queue.look([...ids, randomUUID()]);
      expect(states.size).toBe(3);
      expect(states.get(ids[0])).toEqual({ state: 'done', result: { fine: true } });
      expect(states.get(ids[1])).toEqual({ state: 'running' });
    });

    test('a job that waits or runs is not added again; one that ended makes room', async () => {
      const { queue } = await make();
      await queue.submit([{ id, data: { round: 1 } }]);
      await queue.submit([{ id, data: { round: 2 } }]);
      const job = await take(queue);
      expect(job.data).toEqual({ round: 1 });
      await queue.submit([{ id, data: { round: 3 } }]);
      expect(await queue.take()).toBeNull();
      await job.finish({});
      await queue.submit([{ id, data: { round: 4 } }]);
      expect((await take(queue)).data).toEqual({ round: 4 });
    });

    test('a failed attempt is repeated as often as was said, then the job is lost', async () => {
      const { queue } = await make();
      await queue.submit([{ id, data: {} }]);
      const first = await take(queue);
      await first.fail();
      const second = await take(queue);
      expect([first.retries, second.retries]).toEqual([0, 1]);
      await second.fail();
      expect(await queue.take()).toBeNull();
      expect((await queue.look(ids)).get(id)).toEqual({ state: 'lost' });
    });

    test('a job given back is as if it had not been taken', async () => {
      const { queue } = await make();
      await queue.submit([{ id, data: {} }]);
      for (let round = 0; round < 4; round++) {
        const job = await take(queue);
        expect(job.retries).toBe(0);
        await job.giveBack();
      }
      expect((await queue.look(ids)).get(id)).toEqual({ state: 'waiting' });
    });

    test('a worker that is silent for too long loses its job, and cannot touch it after that', async () => {
      const { queue, again, endLease } = await make();
      await queue.submit([{ id, data: {} }]);
      const silent = await take(queue);
      expect(await silent.extend(60)).toBe(true);
      endLease(id);
      const job = await take(await again());
      expect(job.retries).toBe(1);
      expect(await silent.extend(60)).toBe(false);
      await silent.giveBack();
      await silent.fail();
      await silent.finish({});
      expect((await queue.look(ids)).get(id)).toEqual({ state: 'running' });
      expect(await job.extend(60)).toBe(true);
    });

    test('jobs that nobody began can be withdrawn, others not', async () => {
      const { queue } = await make();
      await queue.submit(ids.map((one) => ({ id: one, data: {} })));
      const job = await take(queue);
      expect(await queue.withdraw(ids)).toBe(2);
      expect([...(await queue.look(ids)).keys()]).toEqual([job.id]);
    });
  });
}
