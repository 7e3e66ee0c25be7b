/** The ports through which time, chance, progress and cancelling enter; nothing below layer 4 reads the real ones. */

/** Wall clock. Tests pass a fixed one. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  nowMs(): number;
}

/** Source of cryptographic randomness. Implementations must fill every byte from a CSPRNG; tests pass a seeded one. */
export interface Random {
  fill(into: Uint8Array): void;
}

/** Waits so many milliseconds, or until `signal` is aborted; never rejects. */
export type Pause = (ms: number, signal?: AbortSignal) => Promise<void>;

/** Where long work reports to. Calls are cheap and may come thousands of times a second; the receiver throttles. */
export interface Progress {
  /** A named step begins; `total` in `unit`s when known. */
  step(name: string, total?: number, unit?: 'bytes' | 'items'): void;
  /** `amount` more of the current step is done. */
  advance(amount: number): void;
  /** The current step ended well. */
  done(): void;
}

export const silentProgress: Progress = {
  step: () => undefined,
  advance: () => undefined,
  done: () => undefined,
};
