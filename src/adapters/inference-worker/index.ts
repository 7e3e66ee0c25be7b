/** Models in worker threads. */
export { openWorkerSession, type WorkerSessionOptions } from './host.ts';
export { serveInference } from './serve.ts';
