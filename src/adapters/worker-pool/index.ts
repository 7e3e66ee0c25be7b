/** Worker threads for jobs that are independent of one another. */
export { openWorkerPool, type WorkerPool, type WorkerPoolOptions } from './pool.ts';
export { serveJobs } from './serve.ts';
