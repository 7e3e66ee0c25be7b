/**
 * Memory of cipher output. Every cipher call of Node allocates its output (in Node 20 twice: cleared, then copied), and
 * left to the garbage collector it lies around until some 30 MB have come together: no cache holds that, and glibc
 * gives much of it back to the kernel, which clears every page again. Half of the CPU time of sealing goes there.
 * Freed at once, the same memory serves the next call and stays in the cache.
 */
import { createCipheriv } from 'node:crypto';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { SEAL_LIMITS } from '../core/limits/seal.ts';

let closedPort: MessagePort | undefined;

/**
 * Frees the memory of `bytes`; they have no length afterwards, and nor has any other view of the same memory. Views of a
 * part of some larger memory are left as they are.
 *
 * What is transferred to a closed port is dropped there and then. (`ArrayBuffer.prototype.transfer` came after Node 20.)
 * @see https://html.spec.whatwg.org/multipage/web-messaging.html#message-port-post-message-steps
 */
export function freeNow(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== bytes.length) return;
  closedPort ??= makeClosedPort();
  closedPort.postMessage(null, [buffer]);
}

function makeClosedPort(): MessagePort {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}

let doneBytes = 0;
let isPrimed = false;

/**
 * Call it before work on segments; once per process, when enough work has come together, it does something.
 *
 * glibc hands blocks of 128 KiB and more back to the kernel when they are freed. That threshold grows to the size of a
 * mapped block that is freed: one cipher call over a large block allocates and frees such a block at once. Elsewhere
 * than on glibc this costs a millisecond and does nothing.
 * @see mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD
 */
export function primeAllocator(workBytes: number): void {
  doneBytes += workBytes;
  if (isPrimed || doneBytes < SEAL_LIMITS.primeFromBytes) return;
  isPrimed = true;
  // A throw-away key: the output is dropped.
  const cipher = createCipheriv('aes-256-gcm', new Uint8Array(32), new Uint8Array(12));
  freeNow(cipher.update(new Uint8Array(SEAL_LIMITS.primeBlockBytes)));
}
