/** Error codes of the ledger area. */
import { defineErrors } from './table.ts';

export const ledgerErrors = defineErrors({});
