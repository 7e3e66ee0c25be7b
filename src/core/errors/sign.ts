/** Error codes of the sign area. */
import { defineErrors } from './table.ts';

export const signErrors = defineErrors({});
