/** A queue of jobs that several machines share. */
export { toServerName } from '../../postgres/index.ts';
export { parseQueueAddress, type QueueAddress } from './address.ts';
export { openJobQueue, type OpenQueueOptions } from './queue.ts';
