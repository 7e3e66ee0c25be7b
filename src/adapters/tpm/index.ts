/** Lines to a TPM 2.0. */
import { TpmError } from '../../core/errors.ts';
import type { TpmTransport } from '../../tpm/index.ts';
import { openTpmDevice } from './device.ts';
import { openTpmSocket } from './socket.ts';

/** Where Linux has the first TPM, behind its resource manager. */
const TPM_DEVICE = '/dev/tpmrm0';

/**
 * Opens a line.
 * @param address path of a character device, or `tcp:127.0.0.1:PORT` of a swtpm; null means {@link TPM_DEVICE}
 * @throws TpmError TPM_UNAVAILABLE
 */
export function openTpm(address: string | null): Promise<TpmTransport> {
  if (address === null) return openTpmDevice(TPM_DEVICE);
  const match = /^tcp:(127\.0\.0\.1|\[::1\]):(\d{1,5})$/.exec(address);
  if (match !== null && Number(match[2]) <= 65_535) {
    return openTpmSocket({ host: match[1] === '127.0.0.1' ? '127.0.0.1' : '::1', port: Number(match[2]) });
  }
  if (address.startsWith('/')) return openTpmDevice(address);
  return Promise.reject(new TpmError('TPM_UNAVAILABLE', { fields: { device: address } }));
}
