/** The journal: lines for the operator, from closed lists of events and fields. */
export { JOURNAL_EVENTS, type JournalEvent, type JournalLevel } from './events.ts';
export { JOURNAL_FIELDS, type JournalFields } from './fields.ts';
export { createJournal, type Journal, type JournalOptions } from './journal.ts';
export { type RequestLines, tellRequests } from './requests.ts';
