/** Error codes of the lab area. */
import { defineErrors } from './table.ts';

export const labErrors = defineErrors({});
