/** Lineage without embedding: whether the weights of a suspect and of an original share a past. */
export type { Agreement } from './agreement.ts';
export type { AlignedCosine } from './aligned.ts';
export { compareLineage, type LineageOptions, type LineageResult } from './compare.ts';
export type { OriginalFinding } from './finding.ts';
export type { Fit, LayerFit, LayerLikeness } from './fit.ts';
export { compareHidden, type HiddenComparison, type HiddenLayer, type HiddenOptions } from './hidden.ts';
export type { Solution } from './least-squares.ts';
export type { OrderedLayer, OrderTest } from './order-test.ts';
export { type AgreementVerdict, BUILT_IN, NULLS_MIN, type NullSummary, type Verdict } from './rule.ts';
export { type LineageJudgement, ORDER_BITS, type UntoldCode } from './verdict.ts';
