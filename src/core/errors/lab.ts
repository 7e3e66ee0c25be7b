/** Error codes of the lab area. */
import { defineErrors, EXIT } from './table.ts';

export const labErrors = defineErrors({
  LAB_ATTACK_UNKNOWN: {
    message: 'There is no attack of that name.',
    exit: EXIT.usage,
    http: 400,
    fix: 'List them with "modelward attack --list".',
  },
  LAB_STRENGTH_UNFIT: {
    message: 'The attack does not come in that strength.',
    exit: EXIT.usage,
    http: 400,
    fix: 'List attacks and strengths with "modelward attack --list".',
  },
  LAB_ATTACK_UNFIT: {
    message: 'The attack does not fit this model, or something that it needs was not given.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'See "modelward attack --list" for what each attack needs.',
  },
  LAB_NODE_UNREADABLE: {
    message: 'The trainer has no layer for this node.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Train a copy with your own tools, and pass it with --tuned FILE.',
  },
  LAB_IMPORT_DIFFERS: {
    message: 'The network that was read does not answer as the model does.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Train a copy with your own tools, and pass it with --tuned FILE.',
  },
  LAB_DATA_UNFIT: {
    message: 'The training data does not fit the trainer.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Give labelled data of one input with at most 256 classes.',
  },
  LAB_TRAIN_IS_EVAL: {
    message: 'Training attacks must not learn the samples that accuracy is measured on.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Pass other data with --train.',
  },
  LAB_CLAIM_NOT_IN_MODEL: {
    message: 'The mark of the claim is not in this model, so there is nothing to attack.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Pass the marked model and its own claim; a marked copy with moved neurons also needs --original FILE.',
  },
});
