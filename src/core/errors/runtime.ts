/** Error codes of the runtime area. */
import { defineErrors } from './table.ts';

export const runtimeErrors = defineErrors({});
