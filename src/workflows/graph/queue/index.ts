/** A fleet on several machines: jobs in a queue, workers that take them. */
export * from './submit.ts';
export * from './work.ts';
