/** The private key of a server, as the gateway takes it: from a file that others cannot read. */
import { statSync } from 'node:fs';
import { TlsError } from '../../core/errors.ts';
import { isKeyExposed } from '../../core/file-modes.ts';
import type { CliContext } from '../context.ts';

/** @returns PEM, unparsed. @throws TlsError TLS_KEY_EXPOSED; SourceError SOURCE_NOT_FOUND | SOURCE_NOT_A_FILE | SOURCE_UNREADABLE */
export function readTlsKey(context: CliContext, path: string): Uint8Array {
  const at = context.toAbsolute(path);
  const pem = context.services.storage.read(at);
  if (isKeyExposed(statSync(at), process.platform)) throw new TlsError('TLS_KEY_EXPOSED', { fields: { path: at } });
  return pem;
}
