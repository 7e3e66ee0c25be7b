/** Error codes of the cli area. */
import { defineErrors } from './table.ts';

export const cliErrors = defineErrors({});
