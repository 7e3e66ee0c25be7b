/** What names a recipient: keys, payload, register (docs/spec/recipient-code.md). */
export { deriveRecipientKeys, type RecipientKeys, toRecipientId } from './keys.ts';
export { PAYLOAD_BITS, TAG_BITS, toRecipientMessage } from './message.ts';
export {
  embedPayload,
  measurePayload,
  PAYLOAD_TAU_SHARE,
  type PayloadReading,
  readPayload,
  type SuspectPayload,
} from './payload.ts';
