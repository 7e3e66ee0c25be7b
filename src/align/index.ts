/** Topology of a model, and alignment of a suspect to the unmarked original. */
export * from './ports.ts';
export { assign, type SimilarityMatrix, UNMATCHED } from './assignment.ts';
export { type ElementOrder, listOrders } from './element-order.ts';
export { findLlamaName } from './llama-names.ts';
export { toPlainKernels } from './plain-kernels.ts';
export { listRotaryOrders } from './rotary-order.ts';
export { toTopology } from './topology.ts';
export { listLayerUses } from './uses.ts';
export type { WeightUse } from './weights.ts';
export { findTopologyFault } from './topology-fault.ts';
export { alignSuspect, type AlignOptions, type Alignment } from './align.ts';
export {
  matchViews,
  type SkippedSpace,
  type ViewKind,
  type ViewMatch,
  type ViewMatches,
  type ViewOptions,
} from './views.ts';
