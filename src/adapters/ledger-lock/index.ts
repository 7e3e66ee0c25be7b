/** The lock of the ledger over files. */
export { createLedgerLock } from './file-lock.ts';
