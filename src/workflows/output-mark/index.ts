/** Labels that prove nothing and identify much: marks in the outputs of a model, and labels in its graph. */
export type { Effect } from './effect.ts';
export * from './graph-labels.ts';
export type { OutputChange } from './output-tally.ts';
export * from './read.ts';
export type { ImageWish, MarkWish } from './specs.ts';
export * from './stamp.ts';
