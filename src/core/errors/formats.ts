/** Error codes of the formats area. */
import { defineErrors } from './table.ts';

export const formatsErrors = defineErrors({});
