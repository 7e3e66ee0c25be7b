/** The append-only record of what was done to models and keys: signed, tiled, provable, recoverable. */
export { signCheckpoint, type TreeHead, verifyCheckpoint } from './checkpoint.ts';
export { commitField, type Disclosure, verifyDisclosure } from './commitment.ts';
export {
  type Cosignature,
  cosign,
  findCosignature,
  toWitnessPolicy,
  verifyCosignatures,
  type WitnessPolicy,
} from './cosignature.ts';
export { findCosigned, findCosignedOver, keepCosignatures, listCosignedSizes } from './cosigned.ts';
export {
  type Cosigner,
  type CosignerKey,
  createCosigner,
  encodeCosignerKey,
  parseCosignerKey,
} from './cosigner-key.ts';
export { decodeEntry, ENTRY_TYPES, type Entry, type EntryInput, type EntryType } from './entry.ts';
export { type FsckReport, fsckLedger } from './fsck.ts';
export type { FsckCode, FsckFinding } from './fsck-finding.ts';
export type { CosignedHead } from './fsck-history.ts';
export { createGroupCommit, createLedgerWriter } from './group-commit.ts';
export { type Ledger, type LedgerOptions, openLedger } from './ledger.ts';
export { type Note, type NoteSignature, parseNote, signNote, verifyNote } from './note.ts';
export { createEd25519Signer, encodeVerifierKey, parseVerifierKey, type VerifierKey } from './note-key.ts';
export type {
  HeldLock,
  LedgerLock,
  LedgerWriter,
  NoteSigner,
  Receipt,
  Refusal,
  WitnessLink,
  WitnessReply,
} from './ports.ts';
export { encodeProof, type LedgerProof, parseProof, verifyProof } from './proof-file.ts';
export { type LedgerReader, openLedgerReader } from './reader.ts';
export * from './witness/index.ts';
