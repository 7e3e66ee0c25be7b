/** Error codes of the tpm area: commands to a TPM 2.0 and its answers. */
import { defineErrors, EXIT } from './table.ts';

export const tpmErrors = defineErrors({
  TPM_UNAVAILABLE: {
    message: 'The TPM does not answer.',
    exit: EXIT.environment,
    http: 503,
    fix: 'The device is /dev/tpmrm0; its group is usually "tss". Try again when another program holds it.',
  },
  TPM_REFUSED: {
    message: 'The TPM refused the command.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'The field "rc" is the response code of the TPM 2.0 library specification; tpm2_rc_decode explains it.',
  },
  TPM_RESPONSE_INVALID: {
    message: 'The answer of the TPM is malformed.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Check that the address is the one of a TPM 2.0 and not of its control channel.',
  },
  TPM_RESPONSE_FORGED: {
    message: 'The answer is not the one of the TPM that was asked: something between here and the TPM altered it.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Do not use this machine for keys before it is known what stands between it and its TPM.',
  },
});
