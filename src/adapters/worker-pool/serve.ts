/** The other end of the pool, inside a worker thread. */
import { parentPort } from 'node:worker_threads';

/**
 * Answers every job with what `work` gives; an error that `work` throws ends the worker and fails the job.
 * @param findOwned memory of an answer that is handed over instead of copied
 */
export function serveJobs<A>(work: (job: unknown) => A, findOwned: (answer: A) => ArrayBuffer[] = () => []): void {
  parentPort?.on('message', (job: unknown) => {
    const answer = work(job);
    parentPort?.postMessage(answer, findOwned(answer));
  });
}
