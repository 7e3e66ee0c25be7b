/** Signing a model, and verifying one against its signature. */
export { type SignModelOptions, type SignModelResult, signModel, type WrittenFile } from './sign-model.ts';
export type { SignerOptions } from './signer.ts';
export {
  type TrustOptions,
  verifyModelSignature,
  type VerifySignatureOptions,
  type VerifySignaturePorts,
  type VerifySignatureReport,
} from './verify-signature.ts';
