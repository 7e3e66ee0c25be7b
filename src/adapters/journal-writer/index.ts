/** Lines to a file descriptor without ever waiting for its reader: a slow one loses lines, and the gateway no time. */
import { write } from 'node:fs';
import { JOURNAL_LIMITS } from '../../core/limits/metrics.ts';

export interface JournalWriter {
  /** False when so much waits already that the line is not taken. Never throws. */
  readonly write: (line: string) => boolean;
  /** Lines go to another descriptor from here on. `done` is called when the one before is written to no more. */
  moveTo(fd: number, done: () => void): void;
  /** Takes no more; fulfilled when all was written, or after so long. */
  end(timeoutMs: number): Promise<void>;
}

/** How long a descriptor that does not wait, and is full, is left alone. */
const FULL_MS = 20;

/**
 * One write is under way at a time; lines that come meanwhile go in the next one together. A write that fails drops its lines:
 * there is nobody to tell.
 * @param firstFd 2 for standard error; its owner closes it
 */
export function createJournalWriter(
  firstFd: number,
  waitingBytesMax: number = JOURNAL_LIMITS.waitingBytesMax,
): JournalWriter {
  let waiting: string[] = [];
  let waitingBytes = 0;
  let [isAtWork, isEnded] = [false, false];
  let onIdle: (() => void) | null = null;
  let fd = firstFd;
  let onLeft: (() => void)[] = [];

  const leave = (): void => {
    const left = onLeft;
    onLeft = [];
    for (const done of left) done();
  };
  const next = (): void => {
    leave();
    isAtWork = waiting.length > 0;
    if (!isAtWork) {
      onIdle?.();
      return;
    }
    const bytes = Buffer.from(waiting.join(''));
    waiting = [];
    waitingBytes = 0;
    send(bytes);
  };
  // A line is not torn apart: what a descriptor has begun it ends.
  const send = (bytes: Buffer, to = fd): void => {
    write(to, bytes, (error, written) => {
      if (error === null && written < bytes.length) send(bytes.subarray(written), to);
      else if (error?.code === 'EAGAIN') setTimeout(send, FULL_MS, bytes, to).unref();
      else next();
    });
  };
  return {
    write: (line) => {
      const bytes = Buffer.byteLength(line);
      if (isEnded || waitingBytes + bytes > waitingBytesMax) return false;
      waiting.push(line);
      waitingBytes += bytes;
      if (!isAtWork) next();
      return true;
    },
    moveTo: (other, done) => {
      fd = other;
      onLeft.push(done);
      if (!isAtWork) leave();
    },
    end: (timeoutMs) => {
      isEnded = true;
      return new Promise((done) => {
        if (!isAtWork) {
          done();
          return;
        }
        const timer = setTimeout(done, timeoutMs);
        onIdle = () => {
          clearTimeout(timer);
          done();
        };
      });
    },
  };
}
