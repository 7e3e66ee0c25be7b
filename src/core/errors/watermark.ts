/** Error codes of the watermark area. */
import { defineErrors, EXIT } from './table.ts';

export const watermarkErrors = defineErrors({
  WATERMARK_TOO_SMALL: {
    message: 'the model has too few weights that can carry the mark',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'protect it without a mark: --no-mark seals and records it all the same',
  },
  WATERMARK_NOT_EMBEDDED: {
    message: 'the margins of the mark could not be reached in this element type',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'mark the model before it is quantised, or protect it with --no-mark',
  },
  WATERMARK_WEIGHTS_NOT_FINITE: {
    message: 'a weight tensor holds NaN or infinite values',
    exit: EXIT.malformed,
    http: 422,
    fix: 'check the export of the model',
  },
  WATERMARK_CLAIM_MALFORMED: {
    message: 'the claim file is not what docs/spec/claim.md describes',
    exit: EXIT.malformed,
    http: 422,
    fix: 'use the claim file as protect wrote it',
  },
  WATERMARK_SEED_MISMATCH: {
    message: 'the seed does not match the commitment',
    exit: EXIT.malformed,
    http: 422,
    fix: 'use the claim file and the owner key that belong together',
  },
  WATERMARK_LABEL_TOO_LONG: {
    message: 'the label does not fit into the least significant bits of this model',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'use a shorter label, such as its checksum',
  },
  WATERMARK_LABEL_ABSENT: {
    message: 'no intact label is stored in this model',
    exit: EXIT.findings,
    http: 404,
    fix: 'any conversion, training or re-quantisation destroys a label; the ownership mark is read with detect',
  },
});
