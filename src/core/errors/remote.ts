/** Error codes of keyed probes and of checks over a network. */
import { defineErrors, EXIT } from './table.ts';

export const remoteErrors = defineErrors({
  PROBES_MODEL_UNFIT: {
    message: 'The model cannot answer probes: no output names a class, or its inputs cannot be made up.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Name the output that has class scores with --output NAME.',
  },
  PROBES_MODEL_OTHER: {
    message: 'The model is neither the original nor the marked model of the claim.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Record the answers of the model that was released, as protect wrote it.',
  },
  PROBES_NULL_OURS: {
    message: 'A null model is the model of the claim itself.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Null models must have nothing to do with ours: train some from scratch, or take models of others.',
  },
  PROBES_NULL_UNFIT: {
    message: 'A null model does not take the inputs of the probes, or has another number of classes.',
    exit: EXIT.usage,
    http: 422,
    fix: 'Use models of the same task with the same input shape and classes.',
  },
  PROBES_NOT_DERIVED: {
    message: 'The inputs behind the recorded answers are not those that the committed seed gives.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Probes that were chosen prove nothing; make them with "modelward probes make".',
  },
  PROBES_CHANCE_TOO_LOW: {
    message: 'The recorded rate of strangers is below the one that the rule gives for the recorded facts.',
    exit: EXIT.malformed,
    http: 422,
  },
  PROBES_ANSWERS_NOT_OURS: {
    message: 'The committed model does not give the recorded answers.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Answers that another model gave prove nothing about ours.',
  },
  REMOTE_NO_QUESTIONS: {
    message: 'There is nothing to ask: no annex with questions belongs to the claim.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Make probes with "modelward probes make MODEL --claim FILE", or pass --annex FILE.',
  },
  PROBES_TOO_FEW: {
    message: 'So few probes can show nothing, whatever the answers are.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Ask for as many as the fields say, or more.',
  },
  REMOTE_ANNEXES_SEVERAL: {
    message: 'The home has several annexes with questions, and a disclosed seed does not say which is meant.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Name one with --annex FILE.',
  },
  REMOTE_ANNEX_NOT_RECORDED: {
    message: 'No ledger entry says that the questions and answers were there before.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Use the annex that was recorded, or pass a proof from the ledger.',
  },
  REMOTE_ANNEX_TOO_LATE: {
    message: 'The questions and answers were recorded after the time by which they had to be there.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Whoever records answers after the suspect went online can have got them from the suspect.',
  },
  REMOTE_URL_REFUSED: {
    message: 'The address of the end point is not one that is asked: http or https, without a password.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Pass an http or https URL; keys and passwords go into --api-key-file or --header-file.',
  },
  REMOTE_INSECURE: {
    message: 'The end point would be asked without encryption: anyone on the way sees the probes.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Use https, or pass --insecure-http where that does not matter.',
  },
  REMOTE_FORMAT_UNFIT: {
    message: 'Questions of this kind cannot be asked in this format.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Name another --format; the openai formats ask texts, the others tensors.',
  },
  REMOTE_TEMPLATE_MALFORMED: {
    message: 'The request template or the response path cannot be used.',
    exit: EXIT.usage,
    http: 400,
    fix: 'See docs/spec/remote-check.md §4 for what a template may hold.',
  },
  REMOTE_HEADERS_MALFORMED: {
    message: 'The header file is not lines of "Name: value", or names a header that is set by itself.',
    exit: EXIT.usage,
    http: 400,
  },
  REMOTE_LABELS_MALFORMED: {
    message: 'The file of class names is not one name per line, each once.',
    exit: EXIT.usage,
    http: 400,
  },
  REMOTE_DENIED: {
    message: 'The end point refuses to be asked.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Check the address, the key and the headers.',
  },
  REMOTE_REDIRECTED: {
    message: 'The end point sends elsewhere, and that is not followed.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Name the final address, if it is the one that you mean to ask.',
  },
  REMOTE_TLS_REFUSED: {
    message: 'The certificate of the end point is not trusted.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Pass --cacert FILE with the authority that signed it.',
  },
  REMOTE_UNREACHABLE: {
    message: 'The end point did not answer.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Run the same command again: it goes on where it stopped.',
  },
  REMOTE_TIMEOUT: {
    message: 'The end point did not answer in time.',
    exit: EXIT.environment,
    http: 504,
    fix: 'Pass a longer --timeout, or run the same command again: it goes on where it stopped.',
  },
  REMOTE_REPLY_TOO_LARGE: {
    message: 'The end point answers with more than any answer has.',
    exit: EXIT.environment,
    http: 502,
  },
  REMOTE_UNUSABLE: {
    message: 'None of the first answers can be read.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Look at one answer of the end point, and name its --format, or a --response-path.',
  },
  REMOTE_STATE_OF_ANOTHER_RUN: {
    message: 'The state file belongs to another claim, end point or plan.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Repeat the options of the run that made it, or name another --state FILE.',
  },
  REMOTE_STATE_MALFORMED: {
    message: 'The state file is not what docs/spec/remote-check.md describes.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Remove it to begin anew: the questions that it counted are asked again.',
  },
});
