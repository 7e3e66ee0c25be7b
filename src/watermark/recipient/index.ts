/** What names a recipient: keys, payload, register (docs/spec/recipient-code.md). */
export { deriveRecipientKeys, type RecipientKeys, toRecipientId } from './keys.ts';
export { PAYLOAD_BITS, TAG_BITS, toRecipientMessage } from './message.ts';
export {
  embedPayload,
  measurePayload,
  measurePayloadInOrder,
  PAYLOAD_TAU_SHARE,
  type PayloadReading,
  readPayload,
  type SuspectPayload,
} from './payload.ts';
export {
  type CodedRecipients,
  type Identification,
  identifyRecipient,
  type RecipientVerdict,
  type SuspectReadings,
} from './identify.ts';
export {
  isNamed,
  type RecipientBody,
  type Register,
  SALT_BYTES,
  toNameCommitment,
  toRecipientBody,
  toRegister,
} from './register.ts';
export { RECIPIENT_CODES, type RecipientCode } from './codes.ts';
export { createUndo } from './undo.ts';
export { type Release, releaseTo, type ReleaseOptions } from './release.ts';
