/** The thread's side: loads one model, and answers each request with its outputs or a code. */
import { parentPort, workerData } from 'node:worker_threads';
import { ModelwardError } from '../../core/errors.ts';
import type { LoadedSession, RuntimeSession } from '../../model/runtime.ts';
import type { LoadRequest, Reply, RunRequest } from './messages.ts';

/** Serves the thread's host until it is ended by it. `load` gets what the host asked for. */
export function serveInference(load: (request: LoadRequest) => Promise<LoadedSession>): void {
  const port = parentPort;
  if (port === null) throw new TypeError('internal error: not in a worker thread');
  const reply = (message: Reply, owned: ArrayBuffer[] = []): void => {
    port.postMessage(message, owned);
  };
  const refuse = (id: number, error: unknown): void => {
    reply({ kind: 'failed', id, code: error instanceof ModelwardError ? error.code : 'RUNTIME_RUN_FAILED' });
  };
  const answer = async (session: RuntimeSession, { id, feeds }: RunRequest): Promise<void> => {
    try {
      const outputs = await session.run(feeds);
      reply(
        { kind: 'ran', id, outputs },
        Array.from(outputs.values(), ({ data }) => data.buffer as ArrayBuffer),
      );
    } catch (error) {
      refuse(id, error);
    }
  };
  load(workerData as LoadRequest).then(
    (session) => {
      port.on('message', (request: RunRequest) => void answer(session, request));
      const { inputs, outputs, runtime } = session;
      reply({ kind: 'loaded', inputs, outputs, runtime });
    },
    (error: unknown) => {
      refuse(0, error);
    },
  );
}
