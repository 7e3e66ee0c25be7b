/** Reading and writing a key file so that nobody else can (src/adapters/kms/private-file.ts). */
import { zeroize } from '../../../core/bytes.ts';
import { createPrivateFile, updatePrivateFile, withPrivateFile } from '../private-file.ts';
import { encodeKeyFile, type KeyFile, parseKeyFile } from './key-file.ts';

/**
 * Makes the file whole or not at all, and never over another.
 * @throws SealError KEY_STORE_EXISTS | KEY_STORE_UNWRITABLE
 */
export function createKeyStore(path: string, file: KeyFile): void {
  createPrivateFile(path, encodeKeyFile(file));
}

/**
 * @throws SealError KEY_STORE_MISSING; KEY_STORE_UNSAFE for a link, another owner's file, or a mode beyond 0600;
 *   KEY_STORE_INVALID
 */
export function readKeyStore(path: string): KeyFile {
  return withPrivateFile(path, parseKeyFile);
}

/**
 * Replaces the file by what `change` makes of it, while no other process changes it.
 * @param change its argument's keys are wiped afterwards; those that it adds are the caller's to wipe
 * @throws SealError as {@link readKeyStore}; KEY_STORE_UNWRITABLE | KEY_STORE_BUSY; what `change` throws
 */
export function updateKeyStore(path: string, change: (file: KeyFile) => KeyFile): void {
  updatePrivateFile(path, () => {
    const file = readKeyStore(path);
    try {
      return encodeKeyFile(change(file));
    } finally {
      zeroize(...file.versions.map(({ kek }) => kek));
    }
  });
}
