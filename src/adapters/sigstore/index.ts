/** Verifies keyless signatures of Sigstore. */
export { openSigstoreVerifier } from './verifier.ts';
