/**
 * Ctrl-C: runs what must be tidied, then ends with 130. A command whose work is to run until it is told to stop is told.
 *
 * Node delivers signals between turns of the event loop: a long synchronous loop delays them. Nothing depends on the
 * cleanups for safety (outputs get their names by one rename); they only remove staging folders early.
 */
import { EXIT } from '../../core/errors.ts';

export interface Cleanups {
  /** Adds work for the case of an interruption; the returned function takes it off again. */
  add(cleanup: () => void): () => void;
  /** Runs everything once, newest first; a cleanup that throws does not stop the others. */
  run(): void;
  /** The first signal calls `stop` and ends nothing: the command ends by itself. */
  stopBy(stop: () => void): void;
  /** Calls what `stopBy` was given, once; false when there is nothing to call. */
  stop(): boolean;
  /** SIGHUP calls `reload` and ends nothing, as often as it comes. */
  reloadBy(reload: () => void): void;
  /** Calls what `reloadBy` was given; false when there is nothing to call. */
  reload(): boolean;
}

export function createCleanups(): Cleanups {
  const pending = new Set<() => void>();
  let stopper: (() => void) | undefined;
  let reloader: (() => void) | undefined;
  return {
    reloadBy(reload) {
      reloader = reload;
    },
    reload() {
      reloader?.();
      return reloader !== undefined;
    },
    stopBy(stop) {
      stopper = stop;
    },
    stop() {
      const stop = stopper;
      stopper = undefined;
      stop?.();
      return stop !== undefined;
    },
    add(cleanup) {
      // Wrapped, so that the same function may be added twice.
      const entry = (): void => {
        cleanup();
      };
      pending.add(entry);
      return () => {
        pending.delete(entry);
      };
    },
    run() {
      for (const cleanup of [...pending].reverse()) {
        pending.delete(cleanup);
        try {
          cleanup();
        } catch {
          // What stays behind is a staging folder, which the next run removes; there is nobody left to tell.
        }
      }
    },
  };
}

/** What is needed of `process`. */
export interface SignalProcess {
  on(signal: NodeJS.Signals, listener: (signal?: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal?: NodeJS.Signals) => void): unknown;
  exit(code: number): unknown;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface InterruptOptions {
  readonly process: SignalProcess;
  readonly cleanups: Cleanups;
  /** Called once, before the cleanups: takes the progress line away and says what happens. */
  readonly onInterrupt: () => void;
}

/** Listens for SIGINT, SIGTERM and SIGHUP; a second signal that is to end the command ends it at once. Returns how to stop listening. */
export function installInterrupt({ process, cleanups, onInterrupt }: InterruptOptions): () => void {
  let isEnding = false;
  const listener = (signal?: NodeJS.Signals): void => {
    if (signal === 'SIGHUP' && cleanups.reload()) return;
    if (cleanups.stop()) return;
    if (!isEnding) {
      isEnding = true;
      onInterrupt();
      cleanups.run();
    }
    process.exit(EXIT.interrupted);
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of SIGNALS) process.off(signal, listener);
  };
}
