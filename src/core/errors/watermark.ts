/** Error codes of the watermark area. */
import { defineErrors } from './table.ts';

export const watermarkErrors = defineErrors({});
