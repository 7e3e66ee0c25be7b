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
  /** Layers in one claim: ten times the largest public transformer. */
  layersMax: 100_000,
  /** Bytes of a claim file read whole: 100,000 layers at some 300 bytes each. */
  claimBytesMax: 64 * 1024 * 1024,
  /** Bytes of a label: a logo fits, a hidden archive does not. */
  labelBytesMax: 1024 * 1024,
} as const;
