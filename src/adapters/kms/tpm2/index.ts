/** The `tpm2:` provider: a key file that one TPM opens. */
export { openProvider } from './open.ts';
