/** Reading and writing a key file so that nobody else can (src/adapters/kms/private-file.ts). */
import { createPrivateFile, replacePrivateFile, withPrivateFile } from '../private-file.ts';
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

/** Replaces the file in one rename. @throws SealError KEY_STORE_UNWRITABLE */
export function replaceKeyStore(path: string, file: KeyFile): void {
  replacePrivateFile(path, encodeKeyFile(file));
}
