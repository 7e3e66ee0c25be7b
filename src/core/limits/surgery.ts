/** Caps on what an edit plan may ask for. */

export const SURGERY_LIMITS = {
  /** Steps of one plan: an insertion on every edge of the largest published graphs takes some 100,000. */
  stepsMax: 500_000,
  /** Tensor bytes that a plan carries as base64; larger weights belong into a model file that is merged. */
  planTensorBytesMax: 256 * 1024 * 1024,
  /** Nodes of a graph that functions are inlined into: a few short functions can unfold to billions. */
  nodesMax: 100_000,
  /** Problems listed by one validation; the count goes on. */
  problemsMax: 200,
  /** Elements of a small constant that shape inference follows: shapes have some ten, tables of indices some thousand. */
  inferValueElementsMax: 4096,
  /** Nodes that one inference visits, those of subgraphs and function bodies once per visit; functions can call in bursts. */
  inferVisitsMax: 500_000,
  /** Functions inside functions inside a call. */
  inferCallDepthMax: 64,
  /** Bytes of one value that constant folding makes: above, the time to load it outweighs the time to compute it. */
  foldValueBytesMax: 16 * 1024 * 1024,
  /** Bytes by which a folded value may outgrow what it is computed from: a fill of zeros is smaller as a node. */
  foldGrowthBytesMax: 16 * 1024,
  /** Bytes of all values that one folding makes. */
  foldTotalBytesMax: 256 * 1024 * 1024,
  /** Channels of a layer whose bias is computed; the widest published layers have some hundred thousand outputs. */
  channelsMax: 1024 * 1024,
  /** Weights of which some are kept: sparse units know groups of 4, 8 and 16. */
  pruneGroupMax: 1024,
  /** Bytes from the first to the last weight of a group, and what lies between: 4 rows of a million f32 columns are 16 MiB. */
  pruneGroupBytesMax: 64 * 1024 * 1024,
  /** A model that is run in memory, for folding or to compare outputs: what runtimes take from a buffer. */
  runBytesMax: 2 ** 31 - 1,
} as const;
