/** Error codes of the seal area. */
import { defineErrors } from './table.ts';

export const sealErrors = defineErrors({});
