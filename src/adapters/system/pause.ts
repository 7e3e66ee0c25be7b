/** Waiting. */
import { setTimeout } from 'node:timers/promises';

/** Resolves after `ms` milliseconds, or at once when `signal` is or becomes aborted. */
export async function systemPause(ms: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}
