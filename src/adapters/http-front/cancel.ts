/** Tells those who work for a request that nobody waits for its answer any more. */
import type { CancelListener, CancelSignal } from '../../gateway/ports.ts';

export class Cancel implements CancelSignal {
  aborted = false;
  /** One alone, as a rule: the line to the server behind. */
  #first: CancelListener | null = null;
  #others: Set<CancelListener> | null = null;

  addEventListener(_type: 'abort', listener: CancelListener): void {
    if (this.#first === null) this.#first = listener;
    else (this.#others ??= new Set()).add(listener);
  }

  removeEventListener(_type: 'abort', listener: CancelListener): void {
    if (this.#first === listener) this.#first = null;
    else this.#others?.delete(listener);
  }

  /** Once; calls each listener. */
  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    const listeners = [this.#first, ...(this.#others ?? [])];
    this.#first = null;
    this.#others = null;
    for (const listener of listeners) {
      if (typeof listener === 'function') listener();
      else listener?.handleEvent();
    }
  }
}
