/** Error codes of the align area. */
import { defineErrors, EXIT } from './table.ts';

export const alignErrors = defineErrors({
  ALIGN_REFERENCE_REFUSED: {
    message: 'the reference is not the committed original',
    exit: EXIT.malformed,
    http: 422,
    fix: 'give the unmarked original; a marked copy as reference makes unrelated models look alike',
  },
});
