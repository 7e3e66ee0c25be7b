/** Caps and sizes of a scan, each with its reason. */

export const SCAN_LIMITS = {
  /** Nodes after functions and subgraphs are laid out flat: a few calls of a function that calls others can multiply.
   * The largest published graphs have some ten thousand. */
  flatNodesMax: 100_000,
  /** Values of the flat graph; each takes some 160 bytes of analysis. */
  flatValuesMax: 300_000,
  /** Ways from operands to results: a node with thousands of both would have millions. */
  flatEdgesMax: 4_000_000,
  /** Calls inside calls; the readers refuse recursion. */
  flatDepthMax: 120,
  /** Steps of an evidence path that are listed; the middle of a longer one is left out. */
  pathStepsMax: 48,
  /** Evidence paths of one graph: each takes a walk over the graph, and a hostile one asks for thousands. */
  pathsMax: 500,
  /** Findings of one rule that are listed; the rest is counted. */
  findingsPerRuleMax: 50,
  /** Bytes of a constant that are read to tell weights from fillers. */
  constantSampleBytes: 64 * 1024,
  /** Bytes outside the tensors that are searched for text: structure, metadata, doc strings. */
  gapBytesMax: 256 * 1024 * 1024,
  /** Strings of one string tensor that are read. */
  textBytesMax: 16 * 1024 * 1024,
  /** Characters of an excerpt in a finding. */
  excerptLengthMax: 96,
  /** Blocks of 4 KiB whose digests are kept to find repeated ones, 3.5 MiB; of more than 0.5 GiB of weights, a part. */
  repeatBlocksMax: 131_072,
  /** Rows whose norms are kept for one tensor. */
  rowsMax: 2_000_000,
} as const;
