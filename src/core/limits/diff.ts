/** Caps and sizes of the comparison of two models, each with its reason. */

export const DIFF_LIMITS = {
  /** Elements of one read: whole blocks of every quantised type, and 512 KiB of f64 numbers for each side. */
  chunkElements: 65_536,
  /** Changed elements listed per tensor; all are counted. */
  elementsListedPerTensorMax: 32,
  /** Changed elements listed in all: a result of some megabytes at most. */
  elementsListedMax: 10_000,
  /** Rows and columns named per tensor, those with the largest change first. */
  linesListedMax: 8,
  /** Indices of an axis that get sums of their own (80 bytes each); longer axes are not looked at. */
  axisEntriesMax: 262_144,
  /** Sides of the sample on which ranks and grids are found: 192 x 512 keeps a tensor below 50 ms. */
  sampleRows: 192,
  sampleColumns: 512,
  /** Directions of a change that are looked for. */
  rankMax: 64,
  /** Values drawn from a tensor without a partner by name, to find its likeness. */
  likenessValues: 1024,
  /** Tensors without a partner that are compared with each other: their pairs grow with the square. */
  likenessTensorsMax: 2048,
  /** Pairs of one size that are compared for likeness: half a second at most. */
  likenessPairsMax: 200_000,
  /** Elements of a matrix that is read whole because the other side stores it turned. */
  turnedElementsMax: 4_194_304,
  /** Fewest classes of a last layer in which one that stands out means something. */
  classesMin: 4,
  /** Elements of a last layer that is read whole: four copies of numbers take 128 MiB. */
  lastLayerElementsMax: 4_194_304,
  /** Products of its rows with each other: two seconds at most. */
  lastLayerProductsMax: 2 ** 31,
  /** Classes that prototypes are searched for, twelve each. */
  prototypeClassesMax: 32,
  /** Values of one made-up input: 128 x 128 in three colours. */
  prototypeElementsMax: 49_152,
  /** Parameters times values of an input, above what a run costs: some ten thousand runs stay below a minute. */
  prototypeCostMax: 100_000_000,
  /** Squares that an input is cut into for the search of triggers: each costs a dozen runs per sample. */
  triggerCellsMax: 256,
  /** Parameters times values of an input, above what half a million runs cost: a minute at most. */
  triggerCostMax: 40_000_000,
  /** Samples that a search of triggers changes, and others that its findings are measured on. */
  triggerSearchSamples: 100,
  triggerConfirmSamples: 400,
  /** Samples of the data that are looked at for those. */
  triggerScannedMax: 20_000,
  /** Classes whose scores are followed when samples change class: sums of 8 MiB. */
  flowClassesMax: 1024,
  /** Changes of the graph listed one by one; the counts go on. */
  graphChangesMax: 10_000,
  /** Scopes inside scopes; the readers allow no more. */
  scopeDepthMax: 100,
} as const;
