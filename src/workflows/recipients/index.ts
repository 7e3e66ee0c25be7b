/** The recipients of copies: who got one, and whose copy a suspect is. */
export {
  type ListedFault,
  type ListedRecipient,
  listRecipients,
  type RecipientList,
  type RecipientsOptions,
  showRecipient,
} from './list.ts';
export type { RecipientReport } from './identify.ts';
export { type RecipientFinding, verifyRecipients, type VerifyRecipientsOptions } from './verify.ts';
