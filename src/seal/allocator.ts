/** Keeps cipher output memory in use instead of going back to the system between calls: a third of the CPU time otherwise. */
import { createCipheriv } from 'node:crypto';
import { SEAL_LIMITS } from '../core/limits/seal.ts';

let doneBytes = 0;
let isPrimed = false;

/**
 * Call it before work on segments; once per process, when enough work has come together, it does something.
 *
 * Every cipher call of Node returns fresh memory. glibc hands blocks of 128 KiB and more back to the kernel when they
 * are freed, so that every page is faulted in again. That threshold grows to the size of a mapped block that is freed:
 * one cipher call over a large block allocates and frees such a block at once. Elsewhere than on glibc this costs a few
 * milliseconds and does nothing.
 * @see mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD
 */
export function primeAllocator(workBytes: number): void {
  doneBytes += workBytes;
  if (isPrimed || doneBytes < SEAL_LIMITS.primeFromBytes) return;
  isPrimed = true;
  // A throw-away key: the output is dropped.
  const cipher = createCipheriv('aes-256-gcm', new Uint8Array(32), new Uint8Array(12));
  cipher.update(new Uint8Array(SEAL_LIMITS.primeBlockBytes));
}
