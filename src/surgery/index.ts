/**
 * Graph surgery: find, insert, replace, remove, rename, edit; transactional, checked, replayable; untouched bytes kept.
 *
 * `editGraph(model, tx => …)` gives a `GraphEdit`; `writeModel(edit.toRewrite(), staged)` of `formats` writes it.
 * A new verb is one file in `verbs/` and one row in `verbs/table.ts`, and a method of `Transaction` that calls it.
 */
export { createModel, type CreateOptions, openEdited, toModelBytes } from './create.ts';
export type { Draft } from './draft/draft.ts';
export type {
  AttributeJson,
  GraphJson,
  NodeJson,
  TensorJson,
  ValueJson,
} from './draft/json.ts';
export type { NodeView } from './draft/node.ts';
export type { NodeLike, NodeRef, ValueLike, ValueRef } from './draft/refs.ts';
export * from './edit.ts';
export type { Match, Pattern, PatternNode } from './find/pattern.ts';
export { findScalar, type NodeQuery } from './find/query.ts';
export { type GraphCost, type NodeCost, toGraphCost } from './cost/cost.ts';
export { foldConstants, type FoldOptions, type FoldReport } from './fold/fold.ts';
export { type FindingId, INFER_FINDINGS, type InferFinding } from './infer/findings.ts';
export * from './infer/infer.ts';
export type { Inference, InferOptions } from './infer/inference.ts';
export { listOperators } from './infer/table.ts';
export type { Dim, Elements, InferredType, OptionalType, SequenceType, Shape, TensorType } from './infer/types.ts';
export {
  compareEdit,
  DEFAULT_PASSES,
  type GraphSize,
  OPTIMIZE_PASSES,
  optimizeGraph,
  type OptimizeOptions,
  type OptimizeReport,
  type PassId,
  type PassReport,
} from './optimize/optimize.ts';
export { addLayer, type Layer } from './layer.ts';
export { type EditPlan, type EditStep, formatEditPlan, parseEditPlan } from './plan.ts';
export { type Comparison, compareModels, type Feeds, type OutputDifference } from './run/compare.ts';
export { findSampleFeeds, type SampleOptions } from './run/feeds.ts';
export type { Transaction } from './transaction.ts';
export type { ScopeView, TransactionView } from './transaction-view.ts';
export { type Problem, type RuleId, RULES } from './validate/rules.ts';
export { validateDocument, type Validation } from './validate/validate.ts';
export type { CleanupResult } from './verbs/cleanup.ts';
export type { Insertion, WireNodeJson } from './verbs/insert.ts';
export { OUTLINE_DOMAIN } from './verbs/outline.ts';
export { VERB_NAMES, type VerbArgs, type VerbName, type VerbResult } from './verbs/table.ts';
export { listWeights, pruneWeights, restoreWeights, stripWeights, type Weight } from './weights.ts';
