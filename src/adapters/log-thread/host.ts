/** The thread that moves the log into its database, as the process sees it that answers; one that dies is followed by another. */
import { Worker } from 'node:worker_threads';
import { GatewayError } from '../../core/errors.ts';
import type { LogThreadData, LogThreadNews, MovedTo } from './messages.ts';

/** Rows are short-lived, and come in batches: the 48 MiB that V8 takes by itself would be most of the thread. */
const YOUNG_MIB = 3;
/** Rows stay in the spool meanwhile. */
const RESTART = { firstMs: 100, maxMs: 10_000, steadyMs: 60_000 } as const;

export interface LogThreadOptions extends Omit<LogThreadData, 'isAgain'> {
  /** Absolute path of the built entry of the thread. */
  readonly scriptPath: string;
  readonly onCheckpoint: (news: { readonly stream: string; readonly seq: number; readonly hash: string }) => void;
  /** Told the code of what failed; the thread tries again by itself, and another one begins when it dies. */
  readonly onTrouble: (code: string) => void;
}

export interface LogThread {
  /** Up to where the database has the spool; null before that is known. */
  readonly movedTo: MovedTo | null;
  /** What processes left that are gone, and could not be read: so often something was put aside. */
  readonly setAside: number;
  /** Fulfilled when all rows are in the database, and the last checkpoint is signed; after `timeoutMs` what is left stays in the spool. */
  end(timeoutMs: number): Promise<void>;
}

/** @throws GatewayError GATEWAY_LOG_FAILED when the first thread ends before it is ready */
export async function startLogThread(options: LogThreadOptions): Promise<LogThread> {
  const thread = new SteadyThread(options);
  await thread.begin();
  return thread;
}

class SteadyThread implements LogThread {
  movedTo: MovedTo | null = null;
  setAside = 0;
  readonly #options: LogThreadOptions;
  #worker: Worker | null = null;
  #isEnding = false;
  #isLate = false;
  #wake = (): void => undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: LogThreadOptions) {
    this.#options = options;
  }

  async begin(): Promise<void> {
    const first = this.#start(false);
    await first.ready;
    this.#ended = this.#follow(first.exited);
  }

  async end(timeoutMs: number): Promise<void> {
    this.#isEnding = true;
    this.#worker?.postMessage('end');
    this.#wake();
    const late = setTimeout(() => {
      this.#isLate = true;
      void this.#worker?.terminate();
      this.#wake();
    }, timeoutMs);
    await this.#ended;
    clearTimeout(late);
  }

  /** Until the thread ends that was told to, or it takes too long. */
  async #follow(first: Promise<number>): Promise<void> {
    let [exited, startedMs, waitMs]: [Promise<number>, number, number] = [first, performance.now(), RESTART.firstMs];
    for (;;) {
      const status = await exited;
      this.#worker = null;
      if (this.#isLate || (this.#isEnding && status === 0)) return;
      this.#options.onTrouble('GATEWAY_LOG_FAILED');
      if (performance.now() - startedMs > RESTART.steadyMs) waitMs = RESTART.firstMs;
      if (!(await this.#pause(waitMs))) return;
      waitMs = Math.min(RESTART.maxMs, 2 * waitMs);
      startedMs = performance.now();
      exited = this.#startAgain();
    }
  }

  /** Where the system has no thread to give, it is as with one that ended at once. */
  #startAgain(): Promise<number> {
    try {
      const { exited } = this.#start(true);
      if (this.#isEnding) this.#worker?.postMessage('end');
      return exited;
    } catch {
      return Promise.resolve(1);
    }
  }

  /** Shorter when the end is asked for, which another thread has to bring about; false when there is no time for one. */
  async #pause(ms: number): Promise<boolean> {
    await new Promise<void>((done) => {
      const timer = setTimeout(done, ms);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
    return !this.#isLate;
  }

  #start(isAgain: boolean): { readonly ready: Promise<void>; readonly exited: Promise<number> } {
    const { scriptPath, onCheckpoint, onTrouble, ...data } = this.#options;
    const worker = new Worker(scriptPath, {
      ...{ workerData: { ...data, isAgain } satisfies LogThreadData, name: 'modelward-log' },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker = worker;
    // What it died of is no word of ours; that it did is told by its exit.
    worker.on('error', () => undefined);
    const exited = new Promise<number>((done) => {
      worker.once('exit', done);
    });
    const ready = new Promise<void>((done, fail) => {
      worker.on('message', (news: LogThreadNews) => {
        if (news.kind === 'ready') done();
        else if (news.kind === 'moved') this.movedTo = news;
        else if (news.kind === 'aside') this.setAside += 1;
        else if (news.kind === 'checkpoint') onCheckpoint(news);
        else onTrouble(news.code);
      });
      void exited.then(() => {
        fail(new GatewayError('GATEWAY_LOG_FAILED', { fields: { reason: 'thread' } }));
      });
    });
    ready.catch(() => undefined);
    return { ready, exited };
  }
}
