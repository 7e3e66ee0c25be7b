/** Error codes of the workflows. */
import { defineErrors, EXIT } from './table.ts';

export const workflowsErrors = defineErrors({
  OWNER_OTHER: {
    message: 'This home belongs to another owner.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Leave --owner out, or point MODELWARD_HOME to the home of that owner.',
  },
  OWNER_EXISTS: {
    message: 'This home has an owner already; a restore never overwrites one.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Point MODELWARD_HOME to an empty folder and restore there.',
  },
  OWNER_MISSING: {
    message: 'This home has no owner yet.',
    exit: EXIT.noKey,
    http: 404,
    fix: 'Run "modelward protect" once, or restore a backup with "modelward keys restore".',
  },
  CLAIM_NOT_FOUND: {
    message: 'No claim is stored for this home.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Pass --claim FILE.',
  },
  RECIPIENT_EXISTS: {
    message: 'This recipient was given another copy of the model already.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Choose another ID for the new copy, such as the old one with a number: every copy names one recipient.',
  },
  RECIPIENT_NUMBER_TAKEN: {
    message: 'Another run gave this number, or a copy to this recipient, meanwhile.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Run the command again: it takes the next number. Nothing was released.',
  },
  RECIPIENT_EXHIBIT_OTHER: {
    message: 'A name or a proof belongs to none of the annexes that were shown.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Pass --name and --proof for annexes that are passed with --annex: the name file that "modelward recipients show" names, and what "modelward ledger prove" printed for the entry of the annex.',
  },
  RECIPIENT_UNKNOWN: {
    message: 'No recipient of this home has this name or number.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Run "modelward recipients list".',
  },
  ENVELOPE_NOT_FOUND: {
    message: 'No key envelope is stored for this sealed file.',
    exit: EXIT.noKey,
    http: 404,
    fix: 'Pass --envelope FILE: the envelope was written into the home of whoever sealed the file.',
  },
  SIGNATURE_NOT_FOUND: {
    message: 'The signature of the model was not found.',
    exit: 2,
    http: 404,
    fix: 'Give it with --signature FILE.',
  },
  BASELINE_NOT_FOUND: {
    message: 'There is no baseline to compare with.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Pass --baseline FILE; "modelward baseline MODEL" writes one.',
  },
  SEED_FILE_MALFORMED: { message: 'The file is no disclosed seed.', exit: EXIT.malformed, http: 422 },
  SEED_OF_ANOTHER_CLAIM: {
    message: 'The disclosed seed belongs to another claim.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Pass the claim that the seed was disclosed for, with --claim FILE.',
  },
  TEXT_MARK_NOT_FOUND: {
    message: 'No claim here has a text mark.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Put one into a model with "modelward text embed", or pass its annex with --annex FILE.',
  },
  SEED_OF_ANOTHER_PURPOSE: {
    message: 'The disclosed seed is not the one that this reading needs.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Ask the owner for the seed of the purpose that is named: modelward disclose CLAIM --purpose PURPOSE.',
  },
  TRIGGERS_NOT_FOUND: {
    message: 'The home has no triggers of the claim.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Run "modelward trigger embed" first, or pass the annex with --annex FILE.',
  },
  RUN_INPUTS_MISSING: {
    message: 'The model has another number of inputs than files were given.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Pass one --input FILE.npy per input, in the order that "modelward inspect" prints.',
  },
  INSPECT_TENSOR_MISSING: {
    message: 'The model has no tensor of that name.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Run "modelward inspect MODEL --all" for the names.',
  },
  INSPECT_TENSOR_UNSUPPORTED: {
    message: 'Elements of this type cannot be written as numbers.',
    exit: EXIT.cannotTell,
    http: 422,
  },
  INSPECT_VALUE_MISSING: {
    message: 'The main graph has no input and makes no value of that name.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Run "modelward graph infer MODEL" for the names.',
  },
  INSPECT_SEALED: {
    message: 'A sealed model is never run where its inner values or times could be seen.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Open it with "modelward open" first, and look at the plain model.',
  },
  MODEL_SEALED: {
    message: 'The model is sealed, and this command takes plain ones.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Open it with "modelward open" first; seal what you changed again with "modelward seal".',
  },
  NOT_SEALED: { message: 'The file is not a sealed model.', exit: EXIT.malformed, http: 422 },
  ROTATION_JOURNAL_MALFORMED: {
    message: 'The note on a rotation that had begun cannot be read.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Look at "modelward keys status"; when nothing hangs on an old version, remove the file and rotate again.',
  },
  SEAL_CHANGED_MEANWHILE: {
    message: 'A sealed file is not as it was before the rotation, or as it was recorded: nothing was disabled.',
    exit: EXIT.findings,
    http: 409,
    fix: 'No rotation writes a sealed file: find out who did, and keep the old version of the key.',
  },
  RECORD_FAILED: {
    message: 'The ledger could not record the use of a key, so no key was handed out.',
    exit: EXIT.noKey,
    http: 503,
  },
});
