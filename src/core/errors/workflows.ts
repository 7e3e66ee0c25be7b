/** Error codes of the workflows area. */
import { defineErrors } from './table.ts';

export const workflowsErrors = defineErrors({});
