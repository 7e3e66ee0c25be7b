/** A TPM behind a socket of this machine: swtpm, for tests and virtual machines. Commands go over it as they are. */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { TpmError } from '../../core/errors.ts';
import { TPM_LIMITS } from '../../core/limits/tpm.ts';
import type { TpmTransport } from '../../tpm/index.ts';
import { toResponseBytes, toTransport } from './line.ts';

const HEAD_BYTES = 6;

/** @throws TpmError TPM_UNAVAILABLE */
export async function openTpmSocket(address: {
  readonly host: '127.0.0.1' | '::1';
  readonly port: number;
}): Promise<TpmTransport> {
  const socket = connect({ ...address, noDelay: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(TPM_LIMITS.connectTimeoutMs) });
  } catch (cause) {
    socket.destroy();
    throw new TpmError('TPM_UNAVAILABLE', { fields: { ...address }, cause });
  }
  // A line that breaks while nobody waits is noticed by the next command.
  socket.on('error', () => undefined);
  const close = (): Promise<void> => {
    socket.destroy();
    return Promise.resolve();
  };
  return toTransport({ exchange: (command) => exchange(socket, command), close });
}

function exchange(socket: Socket, command: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let held = Buffer.alloc(0);
    const settle = (act: () => void): void => {
      socket.off('data', onData).off('close', onClose);
      act();
    };
    const onClose = (): void => {
      settle(() => {
        reject(new TpmError('TPM_UNAVAILABLE'));
      });
    };
    const onData = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk]);
      const found = findWhole(held);
      if (found instanceof TpmError)
        settle(() => {
          reject(found);
        });
      else if (found)
        settle(() => {
          resolve(held);
        });
    };
    socket.on('data', onData).on('close', onClose);
    if (socket.destroyed) onClose();
    else socket.write(command);
  });
}

/** True when the response is whole; an error when it is longer than it says. */
function findWhole(held: Uint8Array): boolean | TpmError {
  if (held.length < HEAD_BYTES) return false;
  try {
    const size = toResponseBytes(held);
    return held.length > size ? new TpmError('TPM_RESPONSE_INVALID') : held.length === size;
  } catch (error) {
    return error as TpmError;
  }
}
