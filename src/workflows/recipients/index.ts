/** The recipients of copies: who got one, and whose copy a suspect is. */
export { type ListedRecipient, listRecipients, type RecipientsOptions, showRecipient } from './list.ts';
export type { RecipientReport } from './identify.ts';
