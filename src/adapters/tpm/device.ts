/** A TPM behind a character device: /dev/tpmrm0 of Linux, which keeps users apart and frees what they leave. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { TpmError } from '../../core/errors.ts';
import { TPM_LIMITS } from '../../core/limits/tpm.ts';
import type { TpmTransport } from '../../tpm/index.ts';
import { toResponseBytes, toTransport } from './line.ts';

const HEAD_BYTES = 6;

/** @throws TpmError TPM_UNAVAILABLE when it is not there, no character device, or not for this user */
export async function openTpmDevice(path: string): Promise<TpmTransport> {
  const file = await openDevice(path);
  return toTransport({ exchange: (command) => exchange(file, command), close: () => file.close() });
}

async function openDevice(path: string): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDWR | constants.O_NOCTTY);
    if ((await file.stat()).isCharacterDevice()) return file;
  } catch (cause) {
    await file?.close();
    throw new TpmError('TPM_UNAVAILABLE', { fields: { device: path }, cause });
  }
  await file.close();
  throw new TpmError('TPM_UNAVAILABLE', { fields: { device: path } });
}

/** The kernel takes a command in one write, and gives the response to one read or to several. */
async function exchange(file: FileHandle, command: Uint8Array): Promise<Uint8Array> {
  const { bytesWritten } = await file.write(command, 0, command.length, null);
  if (bytesWritten !== command.length) throw new TpmError('TPM_UNAVAILABLE');
  const response = new Uint8Array(TPM_LIMITS.responseBytesMax);
  let length = 0;
  let wanted = HEAD_BYTES;
  while (length < wanted) {
    const { bytesRead } = await file.read(response, length, response.length - length, null);
    if (bytesRead === 0) throw new TpmError('TPM_UNAVAILABLE');
    length += bytesRead;
    if (wanted === HEAD_BYTES && length >= HEAD_BYTES) wanted = toResponseBytes(response);
  }
  if (length > wanted) throw new TpmError('TPM_RESPONSE_INVALID');
  return response.subarray(0, length);
}
