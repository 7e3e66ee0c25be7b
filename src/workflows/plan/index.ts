/** The ownership mark, planned before training. */
export { planModelMark } from './plan-mark.ts';
