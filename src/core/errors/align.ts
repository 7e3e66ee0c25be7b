/** Error codes of the align area. */
import { defineErrors } from './table.ts';

export const alignErrors = defineErrors({});
