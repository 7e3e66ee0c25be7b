/** OpenSSF Model Signing v1.0: signatures over the files of a model, and statements about the same model. */
export { type BomOptions, type Material, type ModelFacts, toBom } from './bom.ts';
export { decodeBundle } from './bundle.ts';
export { type Certificate, parseCertificates } from './certificate.ts';
export { compareContent, type ContentReport, type FileChange } from './compare.ts';
export { hashFiles } from './hash-files.ts';
export { openPemSigner, parsePublicKey, type SigningKey } from './keys.ts';
export {
  type HashType,
  type ModelManifest,
  type Resource,
  type Serialization,
  toPart,
  toSorted,
  toSubjectDigest,
} from './manifest.ts';
export { type ModelFiles, openModelFiles } from './model-files.ts';
export { DEFAULT_IGNORED, isIgnorablePath, SINGLE_FILE } from './names.ts';
export type { ModelSigner, SigstoreIdentity, SigstoreVerifier } from './ports.ts';
export { encodeProvenance, PROVENANCE_PREDICATE, type ProvenanceOptions } from './provenance.ts';
export { parseSignerCertificates, signStatement, type StatementSigner } from './sign-statement.ts';
export {
  decodeSignatureStatement,
  encodeSignatureStatement,
  toSubject,
} from './statement.ts';
export { type Trust, type VerifiedStatement, verifyStatement } from './verify-statement.ts';
