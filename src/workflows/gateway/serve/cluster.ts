/**
 * The first process of a gateway that answers in several: it starts the workers, counts for all of them, keeps the ledger, and
 * answers nobody itself.
 */
import { GatewayError, ModelwardError } from '../../../core/errors.ts';
import { CLUSTER_LIMITS } from '../../../core/limits/cluster.ts';
import type { Pause } from '../../../core/ports.ts';
import {
  createAddressRelay,
  createClusterMetrics,
  createPermits,
  MemoryRates,
  servePermits,
  serveRates,
} from '../../../gateway/index.ts';
import type { MessageLine, Metrics } from '../../../gateway/ports.ts';
import type { Recorder } from '../../recorder.ts';
import type { LogAnchor } from '../anchors.ts';
import { type ChangeAsk, createTurns } from './reload.ts';
import { type Call, createCalls } from './cluster-calls.ts';
import { toLedgerHandlers } from './cluster-ledger.ts';
import { checkpointNewsSchema, startedSchema, stoppedSchema, type WorkerStatus } from './cluster-messages.ts';
import { createStatusReader } from './cluster-status.ts';

/** A process that was started to answer. */
export interface WorkerProcess {
  readonly line: MessageLine;
  /** Never rejects. */
  readonly ended: Promise<unknown>;
  kill(): void;
}

export interface ClusterOptions {
  readonly workers: number;
  readonly fork: () => WorkerProcess;
  /** What each worker is told when it starts. */
  readonly task: () => unknown;
  readonly recorder: Pick<Recorder, 'actor' | 'writer'>;
  readonly anchor: Pick<LogAnchor, 'note'>;
  /** Counts of the first process itself. */
  readonly ownMetrics: () => Metrics;
  readonly nowUs: () => number;
  readonly pause: Pause;
  readonly after: (ms: number, work: () => void) => () => void;
  /** How long answers under way are waited for in the end. */
  readonly drainTimeoutMs: () => number;
  /** Told the code of what happened to which part. */
  readonly onTrouble: (code: string, part: string) => void;
}

export interface RunningCluster {
  readonly port: number;
  /** What runs models. */
  readonly runtimes: readonly string[];
  /** Of all processes. */
  readMetrics(): Promise<Metrics>;
  /**
   * Has all workers make a change ready, and then take it up; when one refuses, or ends meanwhile, none does. One change at a time.
   * @param ask as JSON has it
   * @param onTaken called when nobody refuses any more: workers that begin from then on get the new task
   * @throws ModelwardError of a worker that refuses; GatewayError GATEWAY_WORKER_ENDED
   */
  change(ask: ChangeAsk, onTaken: () => void): Promise<void>;
  /** Of each worker that serves, and says so in time. Never rejects. */
  readStatus(): Promise<readonly WorkerStatus[]>;
  /** Rejects once workers end so often that there is no use in starting them again; else it is pending. */
  readonly failed: Promise<never>;
  /** Lets answers under way be given, and ends all workers; false when answers had to be cut off. */
  stop(): Promise<boolean>;
}

/** @throws ModelwardError of the first worker that cannot serve; then none is left */
export async function openCluster(options: ClusterOptions): Promise<RunningCluster> {
  const cluster = new Cluster(options);
  const { port, runtimes } = await cluster.open();
  return {
    port,
    runtimes,
    readMetrics: () => cluster.metrics.read(),
    change: (ask, onTaken) => cluster.change(ask, onTaken),
    readStatus: () => cluster.readStatus(),
    failed: cluster.failed,
    stop: () => cluster.stop(),
  };
}

interface Serving {
  readonly process: WorkerProcess;
  readonly call: Call;
  readonly port: number;
  readonly runtimes: readonly string[];
}

class Cluster {
  readonly metrics;
  readonly failed: Promise<never>;
  readonly #options: ClusterOptions;
  readonly #rates: MemoryRates;
  readonly #permits = createPermits();
  readonly #addresses = createAddressRelay();
  readonly #stopping = new AbortController();
  /** By place, from 1. */
  readonly #serving = new Map<number, Serving>();
  readonly #running = new Set<WorkerProcess>();
  readonly #takeTurn = createTurns();
  readonly #readStatus: ReturnType<typeof createStatusReader>;
  /** So many were taken up. */
  #changes = 0;
  readonly #fail: (error: GatewayError) => void;
  #keeping: Promise<void>[] = [];
  /** When workers ended, microseconds. */
  #ends: number[] = [];

  constructor(options: ClusterOptions) {
    const { nowUs, ownMetrics, after } = options;
    this.#options = options;
    this.#rates = new MemoryRates({ nowUs });
    this.metrics = createClusterMetrics({ own: ownMetrics, after });
    this.#readStatus = createStatusReader(after);
    let fail: (error: GatewayError) => void = () => undefined;
    this.failed = new Promise((_done, refuse) => (fail = refuse));
    this.failed.catch(() => undefined);
    this.#fail = fail;
  }

  async open(): Promise<Pick<RunningCluster, 'port' | 'runtimes'>> {
    const places = Array.from({ length: this.#options.workers }, (_, at) => at + 1);
    const started = await Promise.allSettled(places.map((place) => this.#start(place)));
    const refused = started.find((one) => one.status === 'rejected');
    if (refused !== undefined) {
      await this.#endAll();
      throw refused.reason;
    }
    this.#keeping = places.map((place) => this.#keep(place));
    return started.find((one) => one.status === 'fulfilled')!.value;
  }

  change(ask: ChangeAsk, onTaken: () => void): Promise<void> {
    return this.#takeTurn(async () => {
      const asked = [...this.#serving.values()];
      if (asked.length === 0) throw new GatewayError('GATEWAY_WORKER_ENDED');
      const outcomes = await Promise.allSettled(asked.map((one) => this.#callInTime(one, 'prepare', ask)));
      const refused = outcomes.find((outcome) => outcome.status === 'rejected');
      if (refused !== undefined) {
        await Promise.allSettled(asked.map((one) => this.#callInTime(one, 'discard')));
        throw refused.reason;
      }
      onTaken();
      this.#changes += 1;
      // One that ends now is replaced by one that gets the new task; one that has not taken it up is not to answer.
      const takeUp = (one: Serving): Promise<unknown> =>
        this.#callInTime(one, 'commit').catch(() => {
          one.process.kill();
        });
      await Promise.all(asked.map(takeUp));
    });
  }

  /** A worker that does not answer for long is ended. */
  async #callInTime({ call, process }: Serving, name: string, argument?: unknown): Promise<unknown> {
    const takeBack = this.#options.after(CLUSTER_LIMITS.callTimeoutMs, () => {
      process.kill();
    });
    try {
      return await call(name, argument);
    } finally {
      takeBack();
    }
  }

  readStatus(): Promise<readonly WorkerStatus[]> {
    return this.#readStatus(this.#serving.values());
  }

  async stop(): Promise<boolean> {
    this.#stopping.abort();
    const { after, drainTimeoutMs } = this.#options;
    const giveUp = after(drainTimeoutMs() + CLUSTER_LIMITS.endTimeoutMs, () => {
      for (const process of this.#running) process.kill();
    });
    const stopAll = (): Promise<boolean[]> => Promise.all([...this.#serving.values()].map(stopWorker));
    const wholes = await stopAll();
    // One that was still starting has the log of the one before it to move.
    await Promise.all(this.#keeping);
    wholes.push(...(await stopAll()));
    giveUp();
    return wholes.every((isWhole) => isWhole);
  }

  /** One whose task was changed while it began is started once more. @throws ModelwardError of the worker, which has ended then */
  async #start(place: number): Promise<Serving> {
    for (;;) {
      const changes = this.#changes;
      const serving = await this.#startOne(place);
      // Not in the middle of a change, of which it was not told.
      const isOfNow = await this.#takeTurn(() => {
        const isKept = changes === this.#changes || isAborted(this.#stopping.signal);
        if (isKept) this.#serving.set(place, serving);
        return Promise.resolve(isKept);
      });
      if (isOfNow) return serving;
      await stopWorker(serving);
    }
  }

  async #startOne(place: number): Promise<Serving> {
    const { fork, task, recorder, anchor, onTrouble } = this.#options;
    const process = fork();
    const { line } = process;
    this.#running.add(process);
    void process.ended.then(() => {
      this.#running.delete(process);
      if (this.#serving.get(place)?.process === process) this.#serving.delete(place);
    });
    serveRates(line, this.#rates);
    servePermits(line, this.#permits);
    this.#addresses.join(line);
    this.metrics.join(String(place), line);
    let onHello = (): void => undefined;
    // What is sent before a worker listens is lost.
    const hello = new Promise<void>((done) => (onHello = done));
    const call = createCalls(line, {
      hello: () => {
        onHello();
      },
      ...toLedgerHandlers(recorder),
      checkpoint: (argument) => {
        anchor.note(checkpointNewsSchema.parse(argument));
      },
    });
    try {
      await Promise.race([hello, process.ended]);
      const { port, runtimes } = startedSchema.parse(await call('start', task()));
      return { process, call, port, runtimes };
    } catch (error) {
      process.kill();
      await process.ended;
      if (!(error instanceof ModelwardError)) onTrouble('GATEWAY_INTERNAL', `worker ${place}`);
      throw error;
    }
  }

  /** Until the end there is a worker in this place: those that end are replaced, ever later when they end early. */
  async #keep(place: number): Promise<void> {
    const { nowUs, pause, onTrouble } = this.#options;
    const { signal } = this.#stopping;
    let waitMs: number = CLUSTER_LIMITS.restartFirstMs;
    let startedUs = nowUs();
    for (;;) {
      await this.#serving.get(place)?.process.ended;
      this.#serving.delete(place);
      if (signal.aborted) return;
      onTrouble('GATEWAY_WORKER_ENDED', `worker ${place}`);
      if (!this.#mayStartAgain()) return;
      if (nowUs() - startedUs >= CLUSTER_LIMITS.steadyMs * 1000) waitMs = CLUSTER_LIMITS.restartFirstMs;
      await pause(waitMs, signal);
      if (isAborted(signal)) return;
      waitMs = Math.min(2 * waitMs, CLUSTER_LIMITS.restartMaxMs);
      startedUs = nowUs();
      await this.#start(place).catch((error: unknown) => {
        // That it ended is told in the next turn.
        if (error instanceof ModelwardError && error.code !== 'GATEWAY_WORKER_ENDED') {
          onTrouble(error.code, `worker ${place}`);
        }
      });
      if (isAborted(signal)) return;
    }
  }

  /** False when workers ended so often that the gateway is to end. */
  #mayStartAgain(): boolean {
    const nowUs = this.#options.nowUs();
    const { endsMax, endsWithinMs } = CLUSTER_LIMITS;
    this.#ends = [...this.#ends.filter((endedUs) => nowUs - endedUs < endsWithinMs * 1000), nowUs];
    if (this.#ends.length <= endsMax * this.#options.workers) return true;
    this.#fail(new GatewayError('GATEWAY_WORKERS_FAILING', { fields: { ends: this.#ends.length } }));
    return false;
  }

  async #endAll(): Promise<void> {
    const running = [...this.#running];
    for (const process of running) process.kill();
    await Promise.all(running.map(({ ended }) => ended));
  }
}

/** Asked anew after a wait: what was known of it before says nothing. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** False when answers were cut off, or the worker ended without a word. */
async function stopWorker({ call, process }: Serving): Promise<boolean> {
  const isWhole = await call('stop').then(
    (told) => stoppedSchema.safeParse(told).data?.isWhole === true,
    () => false,
  );
  await process.ended;
  return isWhole;
}
