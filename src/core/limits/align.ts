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
  /** Elements of a layer up to which it is held whole; beyond, parts of it are read: some of its rows, or some numbers of each. */
  wholeElementsMax: 2 ** 21,
  /** Numbers of each channel that are read from such a layer, at most and at least, and elements of a part (8 MiB as singles). */
  partOthersMax: 512,
  partOthersMin: 256,
  partElementsMax: 2 ** 21,
  /** Elements by which its columns are balanced. */
  balanceElements: 2 ** 20,
  /** Features of all layers around a space of many channels together, and how many of the layers are looked at. */
  featuresAll: 1024,
  piecesMany: 24,
  /** Entries of one attention head that are solved for, and entries of the other side that are compared for it. */
  headWidthMax: 512,
  headOthers: 512,
  /** Where every one of some layers is like the original's by this cosine, nothing is left to undo. */
  likeMin: 0.7,
  likeLayers: 12,
  /** Neurons of one layer that are matched twice for lineage; the widest published hidden layers have some 50,000. */
  viewChannelsMax: 65_536,
  /** What each of more than `exactAssignmentMax` neurons is compared by for that, all layers on one side together. */
  viewFeaturesAll: 192,
  /** Elements of one layer that is read whole for that, where parts of it cannot be: 64 MiB as singles, in both models. */
  viewElementsMax: 16 * 1024 * 1024,
  /** Entries of one channel axis in a claim; the largest vocabularies have under 2^19. */
  channelsMax: 2 ** 24,
  /** Elements of one layer in a claim; the largest published tensors have under 2^33. */
  layerElementsMax: 2 ** 40,
} as const;
