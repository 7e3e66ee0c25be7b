/** Caps on what an edit plan may ask for. */

export const SURGERY_LIMITS = {
  /** Steps of one plan: an insertion on every edge of the largest published graphs takes some 100,000. */
  stepsMax: 500_000,
  /** Tensor bytes that a plan carries as base64; larger weights belong into a model file that is merged. */
  planTensorBytesMax: 256 * 1024 * 1024,
  /** Problems listed by one validation; the count goes on. */
  problemsMax: 200,
  /** Elements of a small constant that shape inference follows: shapes have some ten, tables of indices some thousand. */
  inferValueElementsMax: 4096,
  /** Nodes that one inference visits, those of subgraphs and function bodies once per visit; functions can call in bursts. */
  inferVisitsMax: 2_000_000,
  /** Functions inside functions inside a call. */
  inferCallDepthMax: 64,
} as const;
