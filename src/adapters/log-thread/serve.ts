/** The thread's side: what it was given, what it tells, and when it is to end. */
import { parentPort, workerData } from 'node:worker_threads';
import type { LogThreadData, LogThreadNews } from './messages.ts';

export interface LogThreadServices {
  readonly data: LogThreadData;
  readonly tell: (news: LogThreadNews) => void;
  /** Aborted when no more rows will come. */
  readonly ending: AbortSignal;
}

/** Runs `work` until it is done; then the thread ends. */
export function serveLogThread(work: (services: LogThreadServices) => Promise<void>): void {
  const port = parentPort;
  if (port === null) throw new TypeError('internal error: not in a worker thread');
  const ending = new AbortController();
  port.on('message', () => {
    ending.abort();
  });
  const tell = (news: LogThreadNews): void => {
    port.postMessage(news);
  };
  void work({ data: workerData as LogThreadData, tell, ending: ending.signal }).finally(() => {
    port.close();
  });
}
