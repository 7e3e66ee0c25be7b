/** Caps of the alignment (docs/spec/watermark.md §7). */
export const ALIGN_LIMITS = {
  /** Channels up to which the exact O(n³) assignment runs; beyond it, mutual nearest neighbours first. */
  exactAssignmentMax: 4096,
  /** Features per channel used in a cost; more are folded by a keyless sign hash (docs/spec/watermark.md §7.2). */
  featuresMax: 1024,
  /** Above this many channels, fewer features do: pairs grow with the square. */
  manyChannels: 1024,
  featuresMany: 256,
} as const;
