/** A plan over models, edited by workers on other machines: jobs go into a queue, results come back. */
import { dirname } from 'node:path';
import { type ErrorCode, ERRORS, ModelwardError } from '../../../core/errors.ts';
import type { JobQueue, JobState } from '../../../core/job-queue.ts';
import type { Pause } from '../../../core/ports.ts';
import type { Storage } from '../../../source/ports.ts';
import { parseEditPlan } from '../../../surgery/index.ts';
import type { WriteServices } from '../../write-copy.ts';
import { type FleetItem, type FleetJob, type FleetOptions, toFleetJobs } from '../fleet.ts';
import { acceptResult, toJobId, toJobMessage } from './messages.ts';
import { withPatience } from './patience.ts';

export interface QueuedFleetOptions extends Omit<FleetOptions, 'dataRoot'> {
  /** Absolute path of the folder that all machines share; models and copies lie below it. */
  readonly root: string;
}

export interface SubmitPorts {
  readonly queue: JobQueue;
  readonly pause: Pause;
  /** Called once when no worker has begun anything for a while. */
  readonly onNoWorker: () => void;
}

interface Post {
  readonly id: string;
  readonly job: FleetJob;
  readonly data: object;
}

const LOOK_EVERY_MS = 500;
/** A look at many jobs costs the server something: at 100,000 there is one in ten seconds. */
const LOOK_MS_PER_JOB = 0.1;
const NO_WORKER_AFTER_LOOKS = 20;

/**
 * Submits a job per model whose copy is not there, and waits for the results. When it is stopped, the jobs stay in the
 * queue; a second call with the same options follows the same jobs.
 * @returns one item per path, in their order
 * @throws SurgeryError SURGERY_PLAN_MALFORMED
 * @throws QueueError QUEUE_OUTSIDE_ROOT | QUEUE_PLAN_TOO_LARGE before anything is submitted; those of the queue
 * @throws TypeError when two models would have the same name in the folder
 */
export async function applyPlanByQueue(
  { storage, progress }: WriteServices,
  options: QueuedFleetOptions,
  ports: SubmitPorts,
): Promise<readonly FleetItem[]> {
  const posts = toPosts(options);
  const items = new Map<string, FleetItem>();
  const end = (id: string, item: FleetItem): void => {
    items.set(id, item);
    progress.advance(1);
  };
  progress.step('edit', posts.length, 'items');
  for (const { id, job } of posts) {
    if (!job.force && storage.exists(job.out)) end(id, { path: job.path, outcome: 'present', out: job.out });
  }
  const open = posts.filter(({ id }) => !items.has(id));
  const jobs = open.map(({ id, data }) => ({ id, data }));
  await withPatience(ports.pause, () => ports.queue.submit(jobs));
  await follow(open, ports, (post, state) => {
    end(post.id, toItem(storage, post.job, state));
  });
  progress.done();
  return posts.map(({ id }) => items.get(id)!);
}

/**
 * Takes the jobs of a call of {@link applyPlanByQueue} with the same options out of the queue, as far as no worker has
 * begun them.
 * @returns their number
 */
export function withdrawPlan(options: QueuedFleetOptions, { queue }: Pick<SubmitPorts, 'queue'>): Promise<number> {
  return queue.withdraw(toPosts(options).map(({ id }) => id));
}

function toPosts(options: QueuedFleetOptions): Post[] {
  parseEditPlan(options.plan);
  return toFleetJobs(options).map((job) => {
    const data = toJobMessage(options.root, job);
    return { id: toJobId(data), job, data };
  });
}

/** Looks until every job has ended; `undefined` stands for a job that the queue does not have any more. */
async function follow(
  posts: readonly Post[],
  { queue, pause, onNoWorker }: SubmitPorts,
  onEnd: (post: Post, state: JobState | undefined) => void,
): Promise<void> {
  let open = posts;
  let isMoving = false;
  for (let looks = 1; open.length > 0; looks++) {
    const ids = open.map(({ id }) => id);
    const states = await withPatience(pause, () => queue.look(ids));
    const isOpen = ({ id }: Post): boolean => ['waiting', 'running'].includes(states.get(id)?.state ?? '');
    for (const post of open.filter((one) => !isOpen(one))) onEnd(post, states.get(post.id));
    isMoving ||= [...states.values()].some(({ state }) => state !== 'waiting');
    if (!isMoving && looks === NO_WORKER_AFTER_LOOKS) onNoWorker();
    open = open.filter(isOpen);
    if (open.length > 0) await pause(Math.max(LOOK_EVERY_MS, LOOK_MS_PER_JOB * open.length));
  }
}

function toItem(storage: Storage, job: FleetJob, state: JobState | undefined): FleetItem {
  if (state?.state !== 'done') return toLost(storage, job, state);
  try {
    const item = acceptResult(state.result, job);
    return item.outcome === 'failed' || isThere(storage, job.out) ? item : toFailed(job, 'QUEUE_OUTPUT_MISSING');
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    return toFailed(job, error.code);
  }
}

function toLost(storage: Storage, job: FleetJob, state: JobState | undefined): FleetItem {
  if (state?.state === 'lost') return toFailed(job, 'QUEUE_JOB_LOST');
  // Another run of the same command may have replaced the job and seen it done.
  if (!job.force && isThere(storage, job.out)) return { path: job.path, outcome: 'present', out: job.out };
  return toFailed(job, 'QUEUE_JOB_WITHDRAWN');
}

function toFailed({ path }: FleetJob, code: ErrorCode): FleetItem {
  return { path, outcome: 'failed', code, message: ERRORS[code].message };
}

/** Network file systems remember for some seconds that a file was absent; reading its folder makes them look again. */
function isThere(storage: Storage, path: string): boolean {
  if (storage.exists(path)) return true;
  storage.list(dirname(path));
  return storage.exists(path);
}
