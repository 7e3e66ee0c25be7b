/** The other end of the pool, inside a worker thread. */
import { parentPort } from 'node:worker_threads';

/** Answers every job with what `work` gives; an error that `work` throws ends the worker and fails the job. */
export function serveJobs(work: (job: unknown) => unknown): void {
  parentPort?.on('message', (job: unknown) => {
    parentPort?.postMessage(work(job));
  });
}
