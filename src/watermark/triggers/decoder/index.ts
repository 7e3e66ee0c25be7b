/** Triggers of decoders: keyed prompts that are followed by keyed tokens (docs/spec/triggers.md §9). */
export { DECODER_SCHEME, type DecoderBody, decoderBodySchema } from './body.ts';
export { type DecoderDesign, type DecoderDesignOptions, designDecoderTriggers, type MeasureText } from './design.ts';
export { type DownChange, readMatrix, toDownEdit, toRelativeChange } from './edit.ts';
export { drawAnswers } from './answers.ts';
export { type DecoderPlaces, findDownProjection, type MatrixPlace } from './places.ts';
export { toDecoderQuestions } from './questions.ts';
export { findLoan, type Loan, toLoanEdits } from './lend.ts';
export { makePrompt, type PromptRange } from './prompts.ts';
export { fitNorm, type NormSamples, type Readout, toReadout } from './readout.ts';
export type { PromptState } from './values.ts';
