/** The key of the hashes of inputs in the log, from its file. */
import { allocSecret, findHexBytes, zeroize } from '../../../../core/bytes.ts';
import { GatewayError } from '../../../../core/errors.ts';
import { readSecretFile } from '../../../ui/secret.ts';

const HASH_KEY_BYTES_MIN = 32;

/** The caller wipes it. @throws CliError CLI_SECRET_…; GatewayError GATEWAY_HASH_KEY_INVALID */
export function readHashKey(path: string): Uint8Array {
  const text = readSecretFile(path);
  const bytes = findHexBytes(Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1'));
  zeroize(text);
  if (bytes === undefined || bytes.length < HASH_KEY_BYTES_MIN) {
    if (bytes !== undefined) zeroize(bytes);
    throw new GatewayError('GATEWAY_HASH_KEY_INVALID', { fields: { least: HASH_KEY_BYTES_MIN } });
  }
  const key = allocSecret(bytes.length);
  key.set(bytes);
  zeroize(bytes);
  return key;
}
