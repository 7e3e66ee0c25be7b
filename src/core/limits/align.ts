/** Caps of the alignment (docs/spec/watermark.md §7). */
export const ALIGN_LIMITS = {
  /** Channels up to which the exact O(n³) assignment runs; beyond it, mutual nearest neighbours first. */
  exactAssignmentMax: 4096,
  /** Features per channel used in a cost; more are folded by a keyless sign hash (docs/spec/watermark.md §7.2). */
  featuresMax: 1024,
  /** Above this many channels, fewer features do: pairs grow with the square. */
  manyChannels: 1024,
  featuresMany: 256,
  /** Above `exactAssignmentMax` channels: a product of 14,336 x 14,336 channels takes a minute with four times as many. */
  featuresMost: 64,
  /** Features of all layers around a space of many channels together, and how many of the layers are looked at. */
  featuresAll: 1024,
  piecesMany: 24,
  /** Entries of one attention head that are solved for, and entries of the other side that are compared for it. */
  headWidthMax: 512,
  headOthers: 1024,
  /** Where every one of some layers is like the original's by this cosine, nothing is left to undo. */
  likeMin: 0.7,
  likeLayers: 12,
  /** Neurons of one layer that are matched twice for lineage: two tables of all pairs take 128 MiB at this size. */
  viewChannelsMax: 4096,
  /** Elements of one layer that is read whole for that: 64 MiB as singles, in both models. */
  viewElementsMax: 16 * 1024 * 1024,
  /** Entries of one channel axis in a claim; the largest vocabularies have under 2^19. */
  channelsMax: 2 ** 24,
  /** Elements of one layer in a claim; the largest published tensors have under 2^33. */
  layerElementsMax: 2 ** 40,
} as const;
