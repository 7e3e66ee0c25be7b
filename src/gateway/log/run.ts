/** The life of a log's writer: rows as they come, a checkpoint each second, and trouble that is outlived. */
import { ModelwardError } from '../../core/errors.ts';
import { GATEWAY_LOG_LIMITS } from '../../core/limits/gateway-log.ts';
import type { Clock, Pause } from '../../core/ports.ts';
import type { CheckpointName, LogWriter } from './writer.ts';

export interface RunLogWriterOptions {
  /** Opens a writer that goes on where the last one came to. */
  readonly open: () => Promise<LogWriter>;
  readonly clock: Clock;
  readonly pause: Pause;
  /** Aborted when no more rows will come: what is there is moved, and the stream ends with its last checkpoint. */
  readonly ending: AbortSignal;
  /** False for what a process left that was killed: its stream gets a checkpoint, and no end. */
  readonly isOrderly: boolean;
  /**
   * Told of each checkpoint that is signed. Of what a process left that was killed the newest one is told in any case: whether it
   * came into the ledger while that process lived is not known, and there it may stand twice.
   */
  readonly onCheckpoint: (checkpoint: CheckpointName) => void;
  /** Told the code of what failed; it is tried again. */
  readonly onTrouble: (code: string) => void;
  /** What has failed so often is let be; without it, it is tried for ever. */
  readonly triesMax?: number;
}

const RETRY = { firstMs: 100, maxMs: 5000 } as const;

/**
 * Ends when `ending` is aborted and all is in the database; while that fails, it does not end.
 * @returns false when a file of the spool, which is still there, holds what cannot be read
 * @throws what the last of `triesMax` tries in a row failed with
 */
export async function runLogWriter(options: RunLogWriterOptions): Promise<boolean> {
  const { triesMax = Infinity } = options;
  let [waitMs, tries]: [number, number] = [RETRY.firstMs, 0];
  for (;;) {
    try {
      return await serve(options, () => {
        waitMs = RETRY.firstMs;
        tries = 0;
      });
    } catch (error) {
      tries += 1;
      if (tries >= triesMax) throw error;
      options.onTrouble(error instanceof ModelwardError ? error.code : 'UNKNOWN');
      await options.pause(waitMs);
      waitMs = Math.min(RETRY.maxMs, 2 * waitMs);
    }
  }
}

async function serve(options: RunLogWriterOptions, onSuccess: () => void): Promise<boolean> {
  const { clock, pause, ending, isOrderly, onCheckpoint } = options;
  const writer = await options.open();
  let signedMs = clock.nowMs();
  for (;;) {
    const isEnding = ending.aborted;
    const moved = await writer.move();
    onSuccess();
    const isDue = Math.abs(clock.nowMs() - signedMs) >= GATEWAY_LOG_LIMITS.checkpointMs;
    const isLast = isEnding && moved === 0;
    if (isDue || isLast) {
      const signed = await writer.checkpoint(isLast && isOrderly);
      const { newest } = writer;
      if (newest !== null && (signed !== null || (isLast && !isOrderly))) onCheckpoint(newest);
      signedMs = clock.nowMs();
    }
    if (isLast) return writer.isWhole;
    if (!writer.isBehind && !isEnding) await pause(GATEWAY_LOG_LIMITS.pollMs, ending);
  }
}
