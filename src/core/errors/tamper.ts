/** Error codes of the tamper area. */
import { defineErrors } from './table.ts';

export const tamperErrors = defineErrors({});
