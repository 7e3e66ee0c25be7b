/** What the return values of PKCS#11 (CKR_…) mean to whoever asked for a key. */
import { SealError } from '../../../core/errors.ts';

/** The token does not take the PIN; nobody tries it again, since a token locks itself after a few. */
const BAD_PIN: readonly string[] = [
  'CKR_PIN_INCORRECT',
  'CKR_PIN_INVALID',
  'CKR_PIN_LEN_RANGE',
  'CKR_PIN_LOCKED',
  'CKR_PIN_EXPIRED',
];

const NOT_PERMITTED: readonly string[] = [
  'CKR_KEY_FUNCTION_NOT_PERMITTED',
  'CKR_ATTRIBUTE_READ_ONLY',
  'CKR_ACTION_PROHIBITED',
  'CKR_TOKEN_WRITE_PROTECTED',
  'CKR_SESSION_READ_ONLY',
];

const UNFIT: readonly string[] = [
  'CKR_MECHANISM_INVALID',
  'CKR_MECHANISM_PARAM_INVALID',
  'CKR_KEY_TYPE_INCONSISTENT',
  'CKR_KEY_SIZE_RANGE',
  'CKR_TEMPLATE_INCONSISTENT',
];

/** The name of the return value, or undefined for an error of another kind. */
export function toCkr(error: unknown): string | undefined {
  return error instanceof Error ? /^CKR_[A-Z0-9_]+/.exec(error.message)?.[0] : undefined;
}

export function toOutage(error: unknown): SealError {
  return new SealError('KEY_PROVIDER_UNAVAILABLE', { fields: { ckr: toCkr(error) ?? null }, cause: error });
}

/** A failed call, in the codes of the port. What is not known is an outage: nothing was changed, and it can be tried again. */
export function toFailure(error: unknown): unknown {
  const ckr = toCkr(error);
  if (ckr === undefined) return error;
  const fields = { ckr };
  if (BAD_PIN.includes(ckr)) return new SealError('KEY_CREDENTIALS_REFUSED', { fields });
  if (NOT_PERMITTED.includes(ckr)) return new SealError('KEY_REFUSED', { fields });
  if (UNFIT.includes(ckr)) return new SealError('KEY_SERVICE_UNFIT', { fields });
  return toOutage(error);
}
