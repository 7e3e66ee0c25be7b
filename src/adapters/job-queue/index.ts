/** A queue of jobs that several machines share. */
export { parseQueueAddress, type QueueAddress, toServerName } from './address.ts';
export {
  assertSchemaName,
  type JobQueue,
  type JobState,
  openJobQueue,
  type OpenQueueOptions,
  type TakenJob,
} from './queue.ts';
