/** Sealed models: one immutable encrypted file per model, its key in an envelope apart. */
export {
  addRecipient,
  createEnvelope,
  type NewRecipient,
  OPEN_PURPOSE,
  rewrapEnvelope,
  type RewrapOptions,
  type SealIdentity,
  unwrapDek,
  type UnwrapOptions,
  type UnwrappedDek,
} from './envelope.ts';
export { encodeEnvelope, type KeyEnvelope, parseEnvelope, type Recipient } from './envelope-file.ts';
export { isSeal, readSealHeader, type SealHeader, type SealInfo, toDekId } from './header.ts';
export { KEY_SCHEMES, parseKeyUri } from './key-uri.ts';
export { type OpenedSeal, openSeal, openSealBuffer, openSealSource, openSealTo } from './open.ts';
export * from './ports.ts';
export {
  type FileToSeal,
  sealBuffer,
  type SealedFile,
  sealFiles,
  sealFilesInTurns,
  type SealFilesOptions,
  sealSource,
} from './seal.ts';
export { type Plaintext, readPlaintext } from './plaintext.ts';
