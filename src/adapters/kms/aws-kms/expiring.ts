/** Credentials of AWS that end some day, checked before they are put into a header. */
import { SealError } from '../../../core/errors.ts';
import type { SigV4Credentials } from '../../../core/sigv4.ts';

export interface ExpiringCredentials extends SigV4Credentials {
  /** Null for those that do not end. */
  readonly expiresAtMs: number | null;
}

/** What may stand in a header: else a line end in a value would begin another one. */
const ACCESS_KEY = /^[A-Za-z0-9]{4,128}$/;
const PRINTABLE = /^[\x21-\x7e]{1,8192}$/;

/** @throws SealError KEY_CREDENTIALS_INVALID, naming the place and no value */
export function toCredentials(
  given: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string | undefined },
  place: string,
  expiresAtMs: number | null = null,
): ExpiringCredentials {
  const { accessKeyId, secretAccessKey } = given;
  const sessionToken = given.sessionToken === undefined || given.sessionToken === '' ? null : given.sessionToken;
  const isSound = ACCESS_KEY.test(accessKeyId) && PRINTABLE.test(secretAccessKey);
  if (!isSound || (sessionToken !== null && !PRINTABLE.test(sessionToken))) {
    throw new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'aws-kms', place } });
  }
  return { accessKeyId, secretAccessKey, sessionToken, expiresAtMs };
}
