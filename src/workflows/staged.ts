/** An output that goes away when its work fails or the user interrupts. */
import type { Services } from './services.ts';

/**
 * Runs `work` with `staged`; a failure or an interruption aborts it. Work on it gives the event loop a turn where it
 * awaits, so that an interruption is noticed between steps.
 */
export async function withStaged<S extends { abort(): void }, T>(
  services: Pick<Services, 'onInterrupt'>,
  staged: S,
  work: (staged: S) => Promise<T>,
): Promise<T> {
  const release = services.onInterrupt(() => {
    staged.abort();
  });
  try {
    return await work(staged);
  } catch (error) {
    staged.abort();
    throw error;
  } finally {
    release();
  }
}
