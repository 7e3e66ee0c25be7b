/**
 * A counter in a file, for devices without a TPM. It tells when the record of licences alone was put back; who puts the
 * whole folder back puts this file back, too.
 */
import { utf8 } from '../../core/bytes.ts';
import { LicenseError } from '../../core/errors.ts';
import type { MonotonicCounter } from '../../license/ports.ts';
import { writeFileAtomic } from '../../source/atomic.ts';
import type { Storage } from '../../source/ports.ts';

export function openFileCounter(storage: Storage, path: string): MonotonicCounter {
  const read = (): number => {
    if (!storage.exists(path)) return 0;
    const text = Buffer.from(storage.read(path)).toString('latin1');
    if (!/^\d{1,15}\n$/.test(text)) throw new LicenseError('LICENSE_STATE_MALFORMED', { fields: { file: 'counter' } });
    return Number(text);
  };
  return {
    isTamperResistant: false,
    id: 'file',
    read: () => Promise.resolve(read()),
    increment: () => {
      const next = read() + 1;
      const bytes = utf8(`${next}\n`);
      const write = (sink: { write(chunk: Uint8Array): void }): void => {
        sink.write(bytes);
      };
      writeFileAtomic({ storage, path, mode: 0o600, replace: true, write });
      return Promise.resolve(next);
    },
  };
}
