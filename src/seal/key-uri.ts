/** Key URIs: which provider holds the key, and which key of it (docs/spec/key-envelope.md section 5). */
import { SealError } from '../core/errors.ts';

/** A key URI that this version can use. */
export interface KeyUri {
  readonly scheme: 'local';
  /** Path of the key file as written. */
  readonly path: string;
}

/** Schemes whose meaning is fixed but whose provider is not in this version. */
const LATER_SCHEMES: readonly string[] = ['aws-kms', 'gcp-kms', 'azure-kv', 'vault', 'pkcs11', 'tpm2', 'age'];

/**
 * Reads `local:PATH`. The scheme is matched exactly; the rest is a path as the file system takes it.
 * @throws SealError KEY_URI_INVALID without a scheme or a path; KEY_SCHEME_UNAVAILABLE for a scheme of a later version;
 *   KEY_SCHEME_UNKNOWN for any other
 */
export function parseKeyUri(uri: string): KeyUri {
  const match = /^([a-z][a-z0-9-]*):([^]*)$/.exec(uri);
  if (match === null) throw new SealError('KEY_URI_INVALID');
  const [, scheme, rest] = match;
  if (LATER_SCHEMES.includes(scheme)) throw new SealError('KEY_SCHEME_UNAVAILABLE', { fields: { scheme } });
  // Only the scheme is repeated: a URI may carry a PIN or a token.
  if (scheme !== 'local') throw new SealError('KEY_SCHEME_UNKNOWN', { fields: { scheme } });
  if (rest === '' || rest.includes('\0')) throw new SealError('KEY_URI_INVALID', { fields: { scheme } });
  return { scheme, path: rest };
}
