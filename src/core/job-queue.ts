/** The port of a queue of jobs that several machines share. */

export type JobState =
  | { readonly state: 'waiting' | 'running' | 'lost' | 'withdrawn' }
  /** `result` as the worker gave it, not checked; null when it is longer than is read. */
  | { readonly state: 'done'; readonly result: unknown };

/** A job that a worker has. */
export interface TakenJob {
  readonly id: string;
  /** As it lies in the queue: whoever can write there chose it. */
  readonly data: unknown;
  /** Times that a worker took the job before, and ended without an answer. */
  readonly retries: number;
  /** A sign of life: no other worker gets the job for so many seconds. False when the job is no longer this worker's. */
  extend(leaseSeconds: number): Promise<boolean>;
  /** The job is done. @param result a JSON object */
  finish(result: object): Promise<void>;
  /** The attempt failed: the job waits again, or is lost when it failed too often. */
  fail(): Promise<void>;
  /** As if it had not been taken; does nothing when the job is no longer this worker's. */
  giveBack(): Promise<void>;
}

/**
 * Durable jobs with results. An implementation must give a job to one worker at a time, and to another one when the first
 * gives no sign of life for its lease; what it hands out is data of others and not checked. Every call throws QueueError
 * QUEUE_UNREACHABLE when the queue does not answer and may answer later, and another coded error when it refuses.
 */
export interface JobQueue {
  /** Adds jobs. One whose id waits or runs is left as it is; one that ended makes room. @param jobs with UUIDs as ids */
  submit(jobs: readonly { readonly id: string; readonly data: object }[]): Promise<void>;
  /** States by id; ids that the queue does not have are absent. */
  look(ids: readonly string[]): Promise<ReadonlyMap<string, JobState>>;
  /** Takes jobs out that no worker has begun, and returns their number. */
  withdraw(ids: readonly string[]): Promise<number>;
  /** The job that waits longest, null when none waits. */
  take(): Promise<TakenJob | null>;
  close(): Promise<void>;
}
