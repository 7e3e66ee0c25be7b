/** Jobs in worker threads of this process, one at a time in each; a worker that dies costs its job alone. */
import { Worker } from 'node:worker_threads';

export interface WorkerPoolOptions {
  /** Absolute path of the script that each worker runs; it answers every message with one, see `serveJobs`. */
  readonly scriptPath: string;
  readonly count: number;
}

export interface WorkerPool {
  /**
   * Runs a job in the next free worker.
   * @throws the error of a worker that ended without an answer, or that could not be started while no other one is at work; an
   * internal error once the pool is closed
   */
  run(job: unknown): Promise<unknown>;
  /** Ends the workers; what is at work or waits fails. */
  close(): Promise<void>;
}

interface Waiting {
  readonly job: unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A pool whose workers start with their first job. */
export function openWorkerPool({ scriptPath, count }: WorkerPoolOptions): WorkerPool {
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  const waiting: Waiting[] = [];
  let isClosed = false;

  const next = (): void => {
    while (waiting.length > 0) {
      const worker = idle.pop() ?? (busy.size < count ? findStarted() : undefined);
      if (worker === undefined) return;
      const item = waiting.shift()!;
      busy.set(worker, item);
      worker.postMessage(item.job);
    }
  };
  /** Undefined where the system has no thread to give: those that are at work take the jobs, or nobody does. */
  const findStarted = (): Worker | undefined => {
    try {
      return start();
    } catch (error) {
      if (busy.size === 0) for (const { reject } of waiting.splice(0)) reject(error as Error);
      return undefined;
    }
  };
  const start = (): Worker => {
    const worker = new Worker(scriptPath);
    worker.on('message', (answer: unknown) => {
      const item = busy.get(worker);
      busy.delete(worker);
      idle.push(worker);
      item?.resolve(answer);
      next();
    });
    worker.on('error', (error: Error) => {
      drop(worker, error);
    });
    worker.on('exit', (code) => {
      drop(worker, new Error(`internal error: a worker ended with code ${code}`));
    });
    return worker;
  };
  const drop = (worker: Worker, error: Error): void => {
    const item = busy.get(worker);
    busy.delete(worker);
    const at = idle.indexOf(worker);
    if (at !== -1) idle.splice(at, 1);
    item?.reject(error);
    next();
  };
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        if (isClosed) {
          reject(closed());
          return;
        }
        waiting.push({ job, resolve, reject });
        next();
      }),
    close: async () => {
      isClosed = true;
      // Else the next worker would start for them as soon as one ends, and keep the process.
      for (const { reject } of waiting.splice(0)) reject(closed());
      await Promise.all([...idle, ...busy.keys()].map((worker) => worker.terminate()));
    },
  };
}

function closed(): Error {
  return new Error('internal error: the pool of workers is closed');
}
