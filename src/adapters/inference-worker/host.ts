/** A model in a worker thread: runs there never hold up the thread that answers. */
import { Worker } from 'node:worker_threads';
import { toOwnMemory } from '../../core/bytes.ts';
import { type ErrorCode, ERRORS, ModelwardError, RuntimeError } from '../../core/errors.ts';
import type { LoadedSession, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { LoadRequest, Reply, RunRequest } from './messages.ts';

export interface WorkerSessionOptions extends LoadRequest {
  /** Absolute path of the built entry that calls `serveInference`. */
  readonly scriptPath: string;
}

interface Pending {
  readonly resolve: (outputs: ReadonlyMap<string, RuntimeTensor>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Starts a thread and loads a model in it. `run` hands the memory of its feeds over when they have a buffer of their own, and
 * rejects with RUNTIME_ENDED once the thread has ended, by itself or by `release`. The telemetry of the runtime must have
 * been switched off in this process before (see adapters/runtime).
 * @throws RuntimeError RUNTIME_LOAD_FAILED and what else reading and loading throw; RUNTIME_ENDED
 */
export function openWorkerSession({ scriptPath, ...request }: WorkerSessionOptions): Promise<LoadedSession> {
  const worker = findStarted(scriptPath, request);
  // The system has no thread to give.
  if (worker === null) return Promise.reject(new RuntimeError('RUNTIME_ENDED'));
  const pending = new Map<number, Pending>();
  let nextId = 1;
  let isEnded = false;
  return new Promise((resolve, reject) => {
    const end = (): void => {
      isEnded = true;
      const error = new RuntimeError('RUNTIME_ENDED');
      reject(error);
      for (const one of pending.values()) one.reject(error);
      pending.clear();
    };
    worker.on('error', end);
    worker.on('exit', end);
    worker.on('message', (reply: Reply) => {
      if (reply.kind === 'loaded') {
        const { inputs, outputs, runtime } = reply;
        resolve({ inputs, outputs, runtime, run, release });
        return;
      }
      if (reply.kind === 'failed' && reply.id === 0) {
        fail(reply.code);
        return;
      }
      const one = pending.get(reply.id);
      pending.delete(reply.id);
      if (reply.kind === 'ran') one?.resolve(reply.outputs);
      else one?.reject(toError(reply.code));
    });
    const fail = (code: string): void => {
      reject(toError(code));
      void worker.terminate();
    };
    const run: RuntimeSession['run'] = (feeds) =>
      new Promise((done, refuse) => {
        if (isEnded) {
          refuse(new RuntimeError('RUNTIME_ENDED'));
          return;
        }
        const message: RunRequest = { id: nextId++, feeds: toApart(feeds) };
        pending.set(message.id, { resolve: done, reject: refuse });
        worker.postMessage(message, findOwned(message.feeds));
      });
    const release = async (): Promise<void> => {
      await worker.terminate();
    };
  });
}

function findStarted(scriptPath: string, workerData: LoadRequest): Worker | null {
  try {
    return new Worker(scriptPath, { workerData, name: 'modelward-inference' });
  } catch {
    return null;
  }
}

/** A view would take all memory that it is a part of along, copied: those are copied alone. */
function toApart(feeds: ReadonlyMap<string, RuntimeTensor>): ReadonlyMap<string, RuntimeTensor> {
  const apart = new Map<string, RuntimeTensor>();
  for (const [name, { dtype, shape, data }] of feeds) apart.set(name, { dtype, shape, data: toOwnMemory(data) });
  return apart;
}

/** Buffers that hold one tensor and nothing else: they are handed over, the others are copied. */
function findOwned(feeds: ReadonlyMap<string, RuntimeTensor>): ArrayBuffer[] {
  const owned: ArrayBuffer[] = [];
  for (const { data } of feeds.values()) {
    const { buffer } = data;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === data.length && !(data instanceof Buffer))
      owned.push(buffer);
  }
  return owned;
}

function toError(code: string): ModelwardError {
  return new RuntimeError(Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'RUNTIME_ENDED');
}
