/** The train-time mark (docs/spec/train-plan.md). */
export { type PlannedLayer, planMark, type TrainPlanOptions, type TrainPlan } from './plan.ts';
export { addMarkGradient, type TrainedArray } from './train.ts';
export { toRecipe } from './recipe.ts';
