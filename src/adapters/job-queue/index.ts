/** A queue of jobs that several machines share. */
export { parseQueueAddress, type QueueAddress, toServerName } from './address.ts';
export { openJobQueue, type OpenQueueOptions } from './queue.ts';
