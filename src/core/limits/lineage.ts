/** Caps of lineage (docs/spec/lineage.md): what is sampled of large models, and how many are compared. */
export const LINEAGE_LIMITS = {
  /** Originals that one suspect is explained by; each is a column of the least squares. */
  originalsMax: 16,
  /** Independent models that a rule is calibrated on; more change a rank in the third digit. */
  nullsMax: 256,
  /** Elements of one tensor that are compared in file order; smaller tensors are compared whole. */
  sampleElementsMax: 65_536,
  /** The same where the other file holds them in another order, so that every one may be a read of its own. */
  turnedElementsMax: 8192,
  /** Neurons of one layer, and numbers of each, that are compared in file order: 256! is 2^1684. */
  orderNeuronsMax: 256,
  orderFeaturesMax: 256,
  /** Elements decoded at once. */
  pieceElementsMax: 262_144,
  /** Samples of which hidden values are compared: the tables grow with the square. */
  activationSamplesMax: 512,
  /** Values of one layer and sample that are kept for it: 8 MiB a layer. */
  activationWidthMax: 4096,
} as const;
