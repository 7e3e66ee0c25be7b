/** What all lines to a TPM share: one command at a time, a limit of time, whole responses of bounded size. */
import { TpmError } from '../../core/errors.ts';
import { TPM_LIMITS } from '../../core/limits/tpm.ts';
import type { TpmTransport } from '../../tpm/index.ts';

/** The raw exchange; it may assume that no other is under way. */
export interface Exchange {
  readonly exchange: (command: Uint8Array) => Promise<Uint8Array>;
  readonly close: () => Promise<void>;
}

/** Queues commands and gives each of them a limit of time; after a failure the line is not used again. */
export function toTransport(
  { exchange, close }: Exchange,
  timeoutMs: number = TPM_LIMITS.commandTimeoutMs,
): TpmTransport {
  let last: Promise<unknown> = Promise.resolve();
  let broken: TpmError | undefined;
  const run = async (command: Uint8Array): Promise<Uint8Array> => {
    if (broken !== undefined) throw broken;
    try {
      return await withTimeout(exchange(command), timeoutMs);
    } catch (cause) {
      // The next answer on this line could be the one that is missing now.
      broken = cause instanceof TpmError ? cause : new TpmError('TPM_UNAVAILABLE', { cause });
      throw broken;
    }
  };
  return {
    transmit: (command) => {
      const next = last.then(() => run(command));
      last = next.catch(() => undefined);
      return next;
    },
    close,
  };
}

async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new TpmError('TPM_UNAVAILABLE', { fields: { timeoutMs } }));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Size of the whole response, from its first six bytes. @throws TpmError TPM_RESPONSE_INVALID */
export function toResponseBytes(head: Uint8Array): number {
  const size = new DataView(head.buffer, head.byteOffset).getUint32(2);
  if (size < 10 || size > TPM_LIMITS.responseBytesMax) throw new TpmError('TPM_RESPONSE_INVALID');
  return size;
}
