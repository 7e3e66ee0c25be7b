/** Caps on what a model file may ask a reader to do. */

export const FORMAT_LIMITS = {
  /** JSON header of a safetensors file; the reference implementation's cap. */
  safetensorsHeaderBytesMax: 100_000_000,
  /** One string of a safetensors header: the longest published metadata values hold a few MiB. */
  safetensorsStringBytesMax: 16 * 1024 * 1024,
  /** Entries of `__metadata__`, and top-level keys of a shard index: real ones have tens. */
  safetensorsMembersMax: 65_536,
  /** Bytes of the settings file beside a checkpoint: published ones have a few KiB, with long lists of labels some 100. */
  settingsBytesMax: 1024 * 1024,
  /** Tensors of one model. The largest published mixture-of-experts models hold about 100,000. */
  tensorsMax: 250_000,
  /** Dimensions of one tensor. Runtimes stop at 8 or less; onnx allows any. */
  dimensionsMax: 64,
  /** Files of one model: shards, or one external file per tensor as old exporters wrote them. */
  filesMax: 4096,
  /** Nested messages, as in the protobuf implementations that onnx and its runtimes use. */
  onnxDepthMax: 100,
  /** Bytes of an ONNX file that an edit may write: protobuf implementations refuse a message of 2 GiB. */
  onnxFileBytesMax: 2 ** 31 - 1,
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
  /** Heap of a GGUF index, estimated a little high: some 150,000 tensors. Published files hold a few thousand. */
  ggufIndexBytesMax: 48 * 1024 * 1024,
  ggufWindowBytes: 64 * 1024,
  /** Heap of a TFLite index, estimated a little high; as for ONNX. */
  tfliteIndexBytesMax: 192 * 1024 * 1024,
  /** Bytes of one name, custom option or metadata text that is kept in the index. */
  tfliteStringBytesMax: 1024 * 1024,
  /** Metadata of one model that is read when it is opened: published ones hold a label list or a packed description. */
  tfliteMetadataBytesMax: 16 * 1024 * 1024,
  /** Tables and offsets lie below 2 GiB, as the FlatBuffers verifier asks; weights may lie beyond. */
  tfliteTablesEndMax: 2 ** 31 - 1,
  /** One page of the TFLite reader, and how many are kept: tables lie between weights, which are skipped. */
  tflitePageBytes: 16 * 1024,
  tflitePagesMax: 256,
  /** Members of a PyTorch archive: one per storage, and a few records. */
  zipMembersMax: 150_000,
  /** Central directory of a PyTorch archive: members with names of about 170 bytes. */
  zipDirectoryBytesMax: 32 * 1024 * 1024,
  /** Compressed members of one archive, inflated: exporters compress code and its debug records only. */
  zipInflatedBytesMax: 64 * 1024 * 1024,
  /** Inflated to packed bytes. Deflate can reach 1,032; pickles and source text stay below 20. */
  zipRatioMax: 200,
  /** One pickle of an archive, which is summed when it is opened: objects that keep data inside the pickle, not in storages. */
  pickleBytesMax: 1024 * 1024 * 1024,
  /** Opcodes of the pickles of one file: about two million for the largest optimizer checkpoints; ten million take a second or two. */
  pickleOpcodesMax: 10_000_000,
  /** Heap of the symbolic values of one pickle, estimated a little high. */
  pickleHeapBytesMax: 192 * 1024 * 1024,
  /** Values on the stack of a pickle, and marks in it: TorchScript pushes a whole list before it is made. */
  pickleStackMax: 1_000_000,
  /** One text or byte string that is kept as a value; longer ones are skipped over. Real keys and names are shorter. */
  pickleTextBytesMax: 16 * 1024,
  /** A line argument of the text protocols; longer ones are refused. */
  pickleLineBytesMax: 64 * 1024,
  /** Pickles one after another in one file, and pickles inside byte strings of pickles. */
  picklesMax: 64,
  /** Depth of pickles inside byte strings of pickles. */
  pickleNestingMax: 4,
  /** Depth of dicts, lists and objects above a tensor: whole models nest about thirty. */
  stateDepthMax: 100,
  /** Values visited when tensors are collected; shared values are visited once for each path. */
  stateVisitsMax: 2_000_000,
  /** Characters of the key path of a tensor. */
  statePathLengthMax: 4096,
  /** Logical bytes of all tensors per byte of the file. Tied weights and averages share a storage twice or thrice. */
  sharedBytesRatioMax: 16,
  /** Logical bytes that are granted whatever the size of the file: broadcast constants. */
  sharedBytesFree: 64 * 1024 * 1024,
  /** Findings of a scan that are listed by name; the rest is counted. */
  pickleFindingsMax: 4096,
} as const;
