/** Error codes of the tamper area: baselines and verification against them. */
import { defineErrors } from './table.ts';

export const tamperErrors = defineErrors({
  TAMPER_BASELINE_MALFORMED: {
    message: 'The baseline is signed, but its content is not a consistent baseline.',
    exit: 3,
    http: 400,
    fix: 'Make the baseline again from the original model.',
  },
  TAMPER_BASELINE_TOO_LARGE: {
    message: 'The baseline of this model would be larger than the accepted size.',
    exit: 3,
    http: 413,
    fix: 'Split the model into shards and make one baseline per shard.',
  },
  TAMPER_REFERENCE_MISMATCH: {
    message: 'The reference is not the model that the baseline was made of.',
    exit: 3,
    http: 400,
    fix: 'Give the original file, plain or sealed, as it was when the baseline was made.',
  },
});
