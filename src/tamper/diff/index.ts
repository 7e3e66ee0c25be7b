/** Comparison of two models: what differs, what was done to it, and what that does to its answers. */
export { type Behaviour, type BehaviourOptions, compareBehaviour, type OutputChange } from './behaviour.ts';
export { type DiffOptions, diffModels } from './diff-models.ts';
export type { GridFit } from './grid.ts';
export type { ElementChange } from './measure.ts';
export * from './types.ts';
