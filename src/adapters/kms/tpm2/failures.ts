/** What the TPM's refusals mean to whoever asked for a key. */
import { SealError, TpmError } from '../../../core/errors.ts';
import { isRefusal, RC } from '../../../tpm/index.ts';

/** A failed command, in the codes of the port. */
export function toKeyFailure(error: unknown): unknown {
  if (!(error instanceof TpmError)) return error;
  const { fields, code } = error;
  if (code === 'TPM_UNAVAILABLE') return new SealError('KEY_PROVIDER_UNAVAILABLE', { fields, cause: error });
  if (code === 'TPM_RESPONSE_INVALID') return new SealError('KEY_SERVICE_MALFORMED', { fields, cause: error });
  return new SealError('KEY_REFUSED', { message: toReason(error), fields, cause: error });
}

function toReason(error: TpmError): string {
  if (error.code === 'TPM_RESPONSE_FORGED')
    return 'This is not the TPM that the key was made with, or its answer was altered.';
  if (isRefusal(error, RC.policyFail) || isRefusal(error, RC.pcrChanged)) {
    return 'The TPM refuses: this machine was started otherwise than when the key was made.';
  }
  if (isRefusal(error, RC.integrity))
    return 'The TPM refuses: the key was made by another TPM, or its file was altered.';
  return 'The TPM refuses to use the key.';
}
