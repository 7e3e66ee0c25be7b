/** Registers of licences. */
export { openFileStore } from './file-store.ts';
