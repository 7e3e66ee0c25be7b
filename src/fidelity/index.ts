/** Measures what a mark costs: evaluation data, probes, and the comparison of two runs. */
export type { Statistics } from './activations/distribution.ts';
export { type Activation, type Activations, observeValues } from './activations/observe.ts';
export { assertFidelity } from './assert.ts';
export { type CompareOptions, type Compared, compareRuns } from './compare.ts';
export type { CsvOptions } from './data/csv.ts';
export { fitData, type Scale, SCALES } from './data/fit.ts';
export { type OpenDataOptions, openData } from './data/load.ts';
export type { DataFormat, LabelledData, Labels } from './data/types.ts';
export { decodeImage, type Pixels } from './data/pixels.ts';
export { readArrays } from './arrays.ts';
export type { FeedSource } from './feeds.ts';
export { findInputs, type InputOptions, type Inputs } from './inputs.ts';
export { findResolvablePoints, type LossPoints, toLossPoints } from './loss.ts';
export { type FidelityOutcome, type MeasureOptions, measureFidelity } from './measure.ts';
export type { FidelityRecord, OutputFidelity } from './record.ts';
export { findNpyTensor, type NpyTensor } from './npy-tensor.ts';
export { readNpyDType, readNpyValue, toNpyBytes } from './npy-value.ts';
export { planProbes, type ProbeInput, type ProbeRule } from './probes.ts';
export { readRuntimeModel } from './runtime-model.ts';
export {
  addRun,
  createTally,
  type Decisions,
  type OutputKind,
  type OutputTally,
  toAgreement,
  toRelativeL2,
} from './tally.ts';
export { encodeValues, toValues } from './values.ts';
