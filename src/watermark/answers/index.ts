/** The marks of answers: a service answers a little otherwise than its model, and finds that in what was trained on its answers. */
export * from './choose.ts';
export * from './evidence.ts';
export { BASIS_FEATURES_MAX, createScoreBasis, type ScoreBasis } from './score-basis.ts';
export * from './scores.ts';
