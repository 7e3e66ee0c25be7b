/** The first process: starts workers, which get connections in turn from the sockets that it listens at. */
import cluster, { type Worker } from 'node:cluster';
import type { MessageLine } from '../../gateway/ports.ts';
import { createLine } from './line.ts';

/** A worker keeps little for long: garbage is collected before it is several times what is kept, and gaps are closed. */
const HEAP_FLAGS = ['--heap-growing-percent=30', '--optimize-for-size'] as const;

export interface ForkerOptions {
  /** Absolute path of the built entry of a worker. */
  readonly scriptPath: string;
}

export interface ForkedWorker {
  readonly line: MessageLine;
  /** Fulfilled when the process has ended: with its exit code, or the signal. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  kill(): void;
}

/**
 * Nothing is said to a worker by its arguments or environment, which other users of the machine may see. Telemetry of the
 * runtime is off in it before any of its code loads.
 */
export function createForker({ scriptPath }: ForkerOptions): () => ForkedWorker {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  return () => {
    const execArgv = [...process.execArgv, ...HEAP_FLAGS];
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const;
    cluster.setupPrimary({ exec: scriptPath, args: [], execArgv, silent: false, stdio: [...stdio] });
    return toForked(cluster.fork({ ORT_DISABLE_TELEMETRY: '1' }));
  };
}

/** A connection on its way to a worker: what node:cluster passes on, closed (fd -1) once the worker has it. */
interface PassedHandle {
  readonly fd?: number;
  close(): void;
}

/**
 * node:cluster keeps a connection open that was handed to a worker in the moment of its end: whoever asked would wait for ever.
 * @returns what closes it
 */
function watchHandles({ process: child }: Worker): () => void {
  const passed = new Set<PassedHandle>();
  const send = child.send.bind(child) as (...args: readonly unknown[]) => boolean;
  child.send = (...args: readonly unknown[]): boolean => {
    const handle = args[1] as PassedHandle | undefined;
    if (typeof handle?.close === 'function') {
      for (const before of passed) if (isClosed(before)) passed.delete(before);
      passed.add(handle);
    }
    return send(...args);
  };
  return () => {
    for (const handle of passed) if (!isClosed(handle)) handle.close();
    passed.clear();
  };
}

const isClosed = ({ fd }: PassedHandle): boolean => fd === undefined || fd < 0;

function toForked(worker: Worker): ForkedWorker {
  const closeHandles = watchHandles(worker);
  const { line, deliver, end } = createLine({
    isOpen: () => worker.isConnected(),
    send: (message, done) => {
      worker.send(message as object, done);
    },
  });
  worker.on('message', deliver);
  worker.on('disconnect', end);
  // A process that cannot be started, or a message that cannot be sent any more: the exit tells.
  worker.on('error', () => undefined);
  return {
    line,
    ended: new Promise((done) => {
      worker.on('exit', (code: number | null, signal: string | null) => {
        closeHandles();
        end();
        done({ code, signal });
      });
    }),
    kill: () => {
      worker.process.kill('SIGKILL');
    },
  };
}
