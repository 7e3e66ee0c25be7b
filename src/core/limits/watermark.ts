/** Caps and fixed sizes of the ownership mark (docs/spec/watermark.md §4). */
export const WATERMARK_LIMITS = {
  /** Positions per tile: a tile is read at once (16 KiB of float32) and is a multiple of every message length. */
  tileWeights: 4096,
  /** Positions that a mark uses at most; more adds no robustness that an attack could not take as well. */
  sampleWeightsMax: 16_000_000,
  /** Below this many positions per bit, fine-tuning noise alone flips bits; embedding is refused. */
  weightsPerBitMin: 64,
  /** Tensors with fewer elements stay untouched. */
  layerWeightsMin: 1024,
  /** Directions kept per layer: beyond some thirty, what they carry is noise to the mark (docs/spec/watermark.md §4.5). */
  calibrationRank: 32,
  /** Rows of a layer's inputs that the directions are found from. */
  calibrationRowsMax: 2048,
  calibrationSamplesMax: 512,
  /** Values of all rows of all layers together: 64 MiB. */
  calibrationValuesMax: 16 * 1024 * 1024,
  /** Bytes of all activations of one run. */
  calibrationRunBytesMax: 64 * 1024 * 1024,
  /** Bytes of all activations of all runs; large models are run on fewer inputs, of which each has many places. */
  calibrationBytesMax: 4 * 1024 * 1024 * 1024,
  /** Layers in one claim: ten times the largest public transformer. */
  layersMax: 100_000,
  /** Bytes of a claim file read whole: 100,000 layers at some 300 bytes each. */
  claimBytesMax: 64 * 1024 * 1024,
  /** Bytes of an annex: a register of 10,000 recipients, or the answers to some thousand questions. */
  annexBytesMax: 4 * 1024 * 1024,
  /** Tokens of a vocabulary: four times the largest public ones. */
  textVocabularyMax: 1024 * 1024,
  textBucketsMax: 4096,
  /** Bytes of the table that a text mark puts into a model. */
  textTableBytesMax: 32 * 1024 * 1024,
  /** Tokens of all texts that are read for a mark at once. */
  textTokensMax: 50_000_000,
  /** Bytes of one file of text or token ids. */
  textBytesMax: 256 * 1024 * 1024,
  /** Annexes in a home that are looked through. */
  annexesMax: 20_000,
  /** Bytes of a recipient's ID, UTF-8: a name, not a text. */
  recipientIdBytesMax: 200,
  /** Bits of orders that a model must have for a neuron-order code: what a claim needs, and as much again. */
  orderRoomBitsMin: 256,
  /** Channels of all orders that a judge tries: some ten seconds of drawing. */
  searchedChannelsMax: 200_000_000,
  /** Readings of whole marks that are spent on undoing recipients' orders where the original is not at hand, in weights. */
  undoneWeightsMax: 256_000_000,
  /** Bytes of a label: a logo fits, a hidden archive does not. */
  labelBytesMax: 1024 * 1024,
  /** Nodes that a label in the graph is made of: each costs a little time in runtimes that keep it. */
  labelNodesMax: 128,
  /** Bytes of a tensor that is split or widened for a label; it is held in memory. */
  labelTensorBytesMax: 64 * 1024 * 1024,
  /** Channels that a label duplicates: each is computed once more. */
  labelChannelsMax: 1024,
  /** Elements of an output that gets a mark with a constant for each: a 4K image of three channels. */
  markElementsMax: 32 * 1024 * 1024,
  /** Bytes of an SVG logo: ten times what logos have. */
  svgBytesMax: 256 * 1024,
  /** Elements of an SVG logo. */
  svgElementsMax: 2000,
  /** Groups in groups: each may need a canvas of its own, 4 MiB of the largest. */
  svgDepthMax: 32,
  /** Pixels of the longer side that an SVG logo is drawn at. */
  svgSideMax: 1024,
  /** Milliseconds that drawing may take; logos take some ten. */
  svgMsMax: 10_000,
  /** Values of a recording of outputs that is read for a mark. */
  recordingElementsMax: 64 * 1024 * 1024,
  /** Outputs of a recording that is a folder: more than any model that is run has. */
  recordingOutputsMax: 1024,
} as const;
