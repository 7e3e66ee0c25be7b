/** Signatures, owner keys, backups and timestamps. */
export * from './backup.ts';
export * from './dsse.ts';
export * from './in-toto.ts';
export * from './owner.ts';
export * from './p256.ts';
export * from './ports.ts';
export * from './seed-box.ts';
export { requestTimestamp, verifyTimestamp, type VerifiedTimestamp } from './timestamp.ts';
export {
  createTimestampRequest,
  parseTimestampResponse,
  parseTimestampToken,
  type TimestampInfo,
} from './timestamp-token.ts';
