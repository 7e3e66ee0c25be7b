/** The thread that moves the log into its database, as the process sees it that answers. */
import { Worker } from 'node:worker_threads';
import { GatewayError } from '../../core/errors.ts';
import type { LogThreadData, LogThreadNews } from './messages.ts';

/** Rows are short-lived, and come in batches: the 48 MiB that V8 takes by itself would be most of the thread. */
const YOUNG_MIB = 4;

export interface LogThreadOptions extends LogThreadData {
  /** Absolute path of the built entry of the thread. */
  readonly scriptPath: string;
  readonly onCheckpoint: (news: { readonly stream: string; readonly seq: number; readonly hash: string }) => void;
  /** Told the code of what failed; the thread tries again by itself. */
  readonly onTrouble: (code: string) => void;
}

export interface LogThread {
  /** Bytes of the spool that the database has. */
  readonly movedBytes: number;
  /** Fulfilled when all rows are in the database, and the last checkpoint is signed; after `timeoutMs` what is left stays in the spool. */
  end(timeoutMs: number): Promise<void>;
}

/** @throws GatewayError GATEWAY_LOG_FAILED when the thread ends before it is ready */
export function startLogThread(options: LogThreadOptions): Promise<LogThread> {
  const { scriptPath, onCheckpoint, onTrouble, ...data } = options;
  const worker = new Worker(scriptPath, {
    ...{ workerData: data satisfies LogThreadData, name: 'modelward-log' },
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  let movedBytes = 0;
  let isEnding = false;
  const ended = new Promise<void>((done) => {
    worker.once('exit', done);
  });
  const end = async (timeoutMs: number): Promise<void> => {
    isEnding = true;
    worker.postMessage('end');
    const late = setTimeout(() => void worker.terminate(), timeoutMs);
    await ended;
    clearTimeout(late);
  };
  return new Promise((resolve, reject) => {
    worker.on('error', () => {
      onTrouble('GATEWAY_LOG_FAILED');
    });
    worker.on('exit', () => {
      reject(new GatewayError('GATEWAY_LOG_FAILED', { fields: { reason: 'thread' } }));
      if (!isEnding) onTrouble('GATEWAY_LOG_FAILED');
    });
    worker.on('message', (news: LogThreadNews) => {
      if (news.kind === 'moved') movedBytes += news.bytes;
      else if (news.kind === 'checkpoint') onCheckpoint(news);
      else if (news.kind === 'trouble') onTrouble(news.code);
      else
        resolve({
          get movedBytes() {
            return movedBytes;
          },
          end,
        });
    });
  });
}
