/** Caps on what a model file may ask a reader to do. */

export const FORMAT_LIMITS = {
  /** JSON header of a safetensors file; the reference implementation's cap. */
  safetensorsHeaderBytesMax: 100_000_000,
  /** One string of a safetensors header: the longest published metadata values hold a few MiB. */
  safetensorsStringBytesMax: 16 * 1024 * 1024,
  /** Entries of `__metadata__`, and top-level keys of a shard index: real ones have tens. */
  safetensorsMembersMax: 65_536,
  /** Tensors of one model. The largest published mixture-of-experts models hold about 100,000. */
  tensorsMax: 250_000,
  /** Dimensions of one tensor. Runtimes stop at 8 or less; onnx allows any. */
  dimensionsMax: 64,
  /** Files of one model: shards, or one external file per tensor as old exporters wrote them. */
  filesMax: 4096,
  /** Nested messages, as in the protobuf implementations that onnx and its runtimes use. */
  onnxDepthMax: 100,
  /** Heap of an ONNX index, estimated a little high, so that a small file cannot ask for a large one. */
  onnxIndexBytesMax: 192 * 1024 * 1024,
  /** Bytes of one name, key or other string that is kept in the index. */
  onnxStringBytesMax: 1024 * 1024,
  /** Read window of the ONNX reader; larger ones read more of the weights that are skipped. */
  onnxWindowBytes: 64 * 1024,
  /** Metadata entries of a GGUF file: real ones have some tens. */
  ggufMetadataMax: 65_536,
  /** Bytes of a metadata key; the format's own cap. */
  ggufKeyBytesMax: 65_535,
  /** Bytes of one metadata string: chat templates take some 100 KiB. */
  ggufStringBytesMax: 16 * 1024 * 1024,
  /** Strings and nested arrays in all metadata arrays: the largest vocabularies with their merges hold about a million. */
  ggufArrayStepsMax: 16 * 1024 * 1024,
  /** Arrays inside arrays; loaders know none. */
  ggufArrayDepthMax: 8,
  /** Bytes of a tensor name. The format says 64; builds of ggml for image models write up to 256. */
  ggufNameBytesMax: 1024,
  /** Bytes of a tensor name in files that we write: the reference loader refuses 64 and more. */
  ggufNameBytesWritten: 63,
  /** Dimensions of a tensor; ggml has no more. */
  ggufDimensionsMax: 4,
  /** Alignment of the data in bytes: a page is 4 KiB, a large one 2 MiB. */
  ggufAlignmentMax: 16 * 1024 * 1024,
  /** Heap of a GGUF index, estimated a little high: 250,000 tensors with names of 64 bytes take 87 MiB. */
  ggufIndexBytesMax: 128 * 1024 * 1024,
  ggufWindowBytes: 64 * 1024,
} as const;
