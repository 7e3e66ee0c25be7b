/** How far the heap of a gateway grows. */
import { setFlagsFromString } from 'node:v8';

/**
 * Keeps what is young in all heaps of this process as small as it is now: V8 reads the factor when it next thinks of growing. Each
 * new thread sets it back, so the threads of a gateway call this when they begin.
 */
export function keepYoungSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
