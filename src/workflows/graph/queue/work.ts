/** A worker: takes jobs from the queue, edits models below one folder, and answers, until it is told to stop. */
import { ModelwardError } from '../../../core/errors.ts';
import type { JobQueue, TakenJob } from '../../../core/job-queue.ts';
import { QUEUE_LIMITS } from '../../../core/limits/queue.ts';
import type { Pause } from '../../../core/ports.ts';
import { cleanLeftovers } from '../../../source/leftovers.ts';
import type { Storage } from '../../../source/ports.ts';
import type { FleetItem, FleetJob, FleetRunner } from '../fleet.ts';
import { acceptJob, type AcceptOptions, type ResultMessage, toFailure, toResultMessage } from './messages.ts';
import { isOutOfReach, withPatience } from './patience.ts';

export interface WorkOptions extends AcceptOptions {
  /** Jobs at the same time. */
  readonly concurrency: number;
  /** Seconds without a sign of life after which another worker gets a job of this one. */
  readonly leaseSeconds: number;
  /** Seconds that running jobs have to end in once the worker is told to stop; then they are given back. */
  readonly graceSeconds: number;
  /** Ends after so many jobs; null for no bound. */
  readonly jobsMax: number | null;
  /** Ends when no job waits. */
  readonly isDrain: boolean;
}

export interface WorkPorts {
  readonly queue: JobQueue;
  readonly storage: Storage;
  readonly pause: Pause;
  /** Edits one model; rejects when what ran it ended. */
  readonly run: FleetRunner;
  /** Ends all that `run` has running; their promises reject. */
  readonly endRuns: () => Promise<void>;
  /** Aborted when the worker is to stop. */
  readonly stop: AbortSignal;
  readonly tell: (event: WorkEvent) => void;
}

export type WorkEvent =
  | { readonly kind: 'answered'; readonly path: string | null; readonly result: ResultMessage }
  /** What edited the model ended without an answer; `error` says how. */
  | { readonly kind: 'crashed'; readonly path: string; readonly error: unknown }
  | { readonly kind: 'given-back'; readonly path: string }
  /** The queue is out of reach; the worker goes on trying. */
  | { readonly kind: 'unreachable' };

/** Jobs by how they ended here. */
export type WorkTally = Readonly<Record<ResultMessage['outcome'] | 'crashed' | 'givenBack', number>>;

interface Shift {
  readonly ports: WorkPorts;
  readonly options: WorkOptions;
  readonly tally: Record<keyof WorkTally, number>;
  jobs: number;
  isGivingBack: boolean;
}

const LOOK_EVERY_MS = 1000;
/** The first pause of a worker that does not reach the queue; each is twice as long as the one before. */
const UNREACHABLE_PAUSE_MS = 1000;
const UNREACHABLE_PAUSE_MS_MAX = 30_000;
/** Signs of life per lease: two may get lost. */
const SIGNS_PER_LEASE = 3;

/** @throws QueueError those of the queue, but for QUEUE_UNREACHABLE unless `isDrain` */
export async function workOnQueue(ports: WorkPorts, options: WorkOptions): Promise<WorkTally> {
  const tally = { edited: 0, present: 0, failed: 0, crashed: 0, givenBack: 0 };
  const shift: Shift = { ports, options, tally, jobs: 0, isGivingBack: false };
  const over = new AbortController();
  const grace = endLateRuns(shift, over.signal);
  try {
    await Promise.all(Array.from({ length: options.concurrency }, () => takeJobs(shift)));
  } finally {
    over.abort();
    await grace;
  }
  return tally;
}

/** Once the worker is told to stop, running jobs have some time left. */
async function endLateRuns(shift: Shift, over: AbortSignal): Promise<void> {
  const { ports, options } = shift;
  await toAborted(AbortSignal.any([ports.stop, over]));
  await ports.pause(options.graceSeconds * 1000, over);
  if (over.aborted) return;
  shift.isGivingBack = true;
  await ports.endRuns();
}

function toAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}

async function takeJobs(shift: Shift): Promise<void> {
  const { pause, stop } = shift.ports;
  const { jobsMax, isDrain } = shift.options;
  const isStopped = (): boolean => stop.aborted;
  let unreachableMs = UNREACHABLE_PAUSE_MS;
  while (!isStopped() && (jobsMax === null || shift.jobs < jobsMax)) {
    // Counted before it is taken: several of these loops run at the same time.
    shift.jobs += 1;
    const job = await takeJob(shift);
    if (job !== 'unreachable') unreachableMs = UNREACHABLE_PAUSE_MS;
    if (job !== null && job !== 'unreachable') {
      if (isStopped()) await job.giveBack();
      else await workOn(shift, job);
      continue;
    }
    shift.jobs -= 1;
    if (job === null && isDrain) return;
    await pause(job === null ? LOOK_EVERY_MS : unreachableMs, stop);
    if (job === 'unreachable') unreachableMs = Math.min(2 * unreachableMs, UNREACHABLE_PAUSE_MS_MAX);
  }
}

async function takeJob({ ports, options }: Shift): Promise<TakenJob | null | 'unreachable'> {
  try {
    return await ports.queue.take();
  } catch (error) {
    if (options.isDrain || !isOutOfReach(error)) throw error;
    ports.tell({ kind: 'unreachable' });
    return 'unreachable';
  }
}

/** Edits the model of a job while giving signs of life, and answers. */
async function workOn(shift: Shift, taken: TakenJob): Promise<void> {
  const { ports, options } = shift;
  const ended = new AbortController();
  const alive = keepAlive(shift, taken, ended.signal);
  try {
    const job = accept(taken, options);
    if ('outcome' in job) await answer(shift, taken, null, job);
    else await edit(shift, taken, job);
  } catch (error) {
    if (!isOutOfReach(error)) throw error;
    // The lease ends, another worker gets the job, and finds the copy if it was made.
    ports.tell({ kind: 'unreachable' });
  } finally {
    ended.abort();
    await alive;
  }
}

async function keepAlive({ ports, options }: Shift, taken: TakenJob, ended: AbortSignal): Promise<void> {
  const { leaseSeconds } = options;
  while (!ended.aborted) {
    // One that fails is followed by another; when all do, the job goes to somebody else.
    await taken.extend(leaseSeconds).catch(() => false);
    await ports.pause((leaseSeconds * 1000) / SIGNS_PER_LEASE, ended);
  }
}

/** The job, or the refusal to do it. */
function accept({ data, retries }: TakenJob, options: WorkOptions): FleetJob | ResultMessage {
  try {
    if (retries >= QUEUE_LIMITS.attemptsMax) {
      return toFailure('QUEUE_JOB_LOST', 'Too many workers that took this model ended without an answer.');
    }
    return acceptJob(data, options);
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    return toFailure(error.code, error.message);
  }
}

async function edit(shift: Shift, taken: TakenJob, job: FleetJob): Promise<void> {
  const { storage, run, tell } = shift.ports;
  const { path, out } = job;
  const isPresent = !job.force && storage.exists(out);
  let item: FleetItem;
  try {
    item = isPresent ? { path, outcome: 'present', out } : await run(job);
  } catch (error) {
    if (shift.isGivingBack) {
      await taken.giveBack();
      shift.tally.givenBack += 1;
      tell({ kind: 'given-back', path });
    } else {
      await taken.fail();
      shift.tally.crashed += 1;
      tell({ kind: 'crashed', path, error });
    }
    removeHalf(storage, out);
    return;
  }
  await answer(shift, taken, path, toResultMessage(job, item));
}

/** What ran the job is gone, so what it had begun to write belongs to nobody. */
function removeHalf(storage: Storage, out: string): void {
  try {
    cleanLeftovers(storage, out);
  } catch (error) {
    // The next run on this machine removes it as well.
    if (!(error instanceof ModelwardError)) throw error;
  }
}

async function answer(shift: Shift, taken: TakenJob, path: string | null, result: ResultMessage): Promise<void> {
  const { pause, tell } = shift.ports;
  await withPatience(pause, () => taken.finish(result));
  shift.tally[result.outcome] += 1;
  tell({ kind: 'answered', path, result });
}
