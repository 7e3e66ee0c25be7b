/** A worker of a gateway that answers in several processes: what it does by itself, and what it asks the first one for. */
import type { Pause } from '../../../core/ports.ts';
import { createLineAddresses, createLinePermits, createLineRates, serveMetrics } from '../../../gateway/index.ts';
import type { MessageLine, Metrics } from '../../../gateway/ports.ts';
import type { CheckpointNews, LogAnchor } from '../anchors.ts';
import { type Call, createCalls } from './cluster-calls.ts';
import { changeSchema, taskSchema, type WorkerStatus, type WorkerTask } from './cluster-messages.ts';
import type { RunningGateway } from './host.ts';
import type { SharedLimits } from './host-shared.ts';
import type { Change } from './reload.ts';

/** What a worker has of the first process. */
export interface Seat {
  readonly shared: SharedLimits;
  readonly anchor: Pick<LogAnchor, 'note'>;
  readonly call: Call;
}

export interface WorkerOptions {
  readonly line: MessageLine;
  readonly pause: Pause;
  /** Opens the gateway; asked once. */
  readonly open: (task: WorkerTask, seat: Seat) => Promise<OpenedWorker>;
}

export interface OpenedWorker {
  readonly gateway: RunningGateway;
  /** What runs models. */
  readonly runtimes: readonly string[];
  readonly readMetrics: () => Metrics;
}

export interface RunningWorker {
  /** Fulfilled when the first process told the end, and the gateway has ended. */
  readonly ended: Promise<void>;
  /** Ends this worker alone, as the first process would; it starts another one. */
  stop(): Promise<boolean>;
}

/** Waits for what the first process says, and does it. */
export function runWorker({ line, pause, open }: WorkerOptions): RunningWorker {
  let opened: OpenedWorker | null = null;
  let stopping: Promise<boolean> | null = null;
  let prepared: Change | null = null;
  let onEnd: () => void = () => undefined;
  const ended = new Promise<void>((done) => (onEnd = done));
  const end = async (): Promise<boolean> => {
    const isWhole = (await opened?.gateway.stop()) ?? true;
    await prepared?.discard();
    return isWhole;
  };
  const stop = (): Promise<boolean> => (stopping ??= end());
  const call: Call = createCalls(line, {
    start: async (argument) => {
      opened = await open(taskSchema.parse(argument), seat);
      serveMetrics(line, opened.readMetrics);
      return { port: opened.gateway.port, runtimes: opened.runtimes };
    },
    stop: async () => {
      const isWhole = await stop();
      // In the next turn: the answer goes first.
      setImmediate(onEnd);
      return { isWhole };
    },
    prepare: async (argument) => {
      prepared = await opened!.gateway.prepare(changeSchema.parse(argument));
    },
    commit: () => {
      const change = prepared;
      prepared = null;
      change!.commit();
    },
    discard: async () => {
      const change = prepared;
      prepared = null;
      await change?.discard();
    },
    status: () => toStatus(opened!.gateway),
  });
  const seat: Seat = {
    shared: {
      rates: createLineRates(line, { pause }),
      permits: createLinePermits(line, { pause }),
      share: (own) => createLineAddresses(line, own),
    },
    anchor: {
      note: (news: CheckpointNews) => {
        // The first process is gone where this fails, and so is the worker in a moment.
        call('checkpoint', { stream: news.stream, seq: news.seq, hash: news.hash }).catch(() => undefined);
      },
    },
    call,
  };
  call('hello').catch(() => undefined);
  return { ended, stop };
}

function toStatus({ models, upstreams }: RunningGateway): WorkerStatus {
  return {
    models: models.list().map(({ name, version, isReady, isBatched, load, signature }) => ({
      ...{ name, version, isReady, isBatched, load, signature },
    })),
    upstreams: upstreams().map(({ name, isReady }) => ({ name, isReady })),
  };
}
