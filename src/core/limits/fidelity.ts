/** Caps on evaluation data and on what the fidelity measurement allocates, with their reasons. */

const MiB = 1024 * 1024;

export const FIDELITY_LIMITS = {
  /** Decompressed bytes of one file held in memory (gz, deflated npz member): a million samples of 1 KiB. */
  inflatedBytesMax: 1024 * MiB,
  /** A CSV is parsed into doubles in memory; larger sets belong in npy, which is read row by row. */
  csvBytesMax: 256 * MiB,
  csvColumnsMax: 1_000_000,
  /** One image file; a 64-megapixel PNG of noise is larger, and is no evaluation image. */
  imageBytesMax: 64 * MiB,
  /** Decoded pixels of one image: 8-bit RGBA of these takes 256 MiB. */
  imagePixelsMax: 64 * MiB,
  /** Header of an npy file; NumPy itself refuses above 10,000 bytes. */
  npyHeaderBytesMax: 64 * 1024,
  /** Entries of an npz: NumPy archives hold tens. */
  zipEntriesMax: 4096,
  /** Name, extra field and comment of one zip entry at their largest, with its fixed part. */
  zipEntryBytesMax: 46 + 3 * 65_535,
  /** Samples of one set; ImageNet's training set has 1.3 million. */
  samplesMax: 10_000_000,
  /** Dimensions of an array; NumPy allows 64. */
  rankMax: 32,
  /** Values of one sample, and of one made-up input: 256 MiB as doubles. */
  sampleElementsMax: 32 * MiB,
  /** Classes that labels can name; the largest public classification sets have tens of thousands. */
  classesMax: 1_000_000,
  /** A model in memory for a run: protobuf's own 2 GiB, external data included. */
  modelBytesMax: 2 * 1024 * MiB,
  /** Input bytes of one run where the batch is free; larger batches gain nothing on a CPU. */
  batchBytesMax: 16 * MiB,
  batchSamplesMax: 256,
  /** Samples over which the statistics of inner values are taken; more change them in the third digit. */
  activationSamplesMax: 512,
  /** Inner values that one session shows: a run holds all of them at once. */
  activationGroupMax: 32,
  /** Bytes of what one run shows, where fewer samples can be asked for. */
  activationRunBytesMax: 256 * MiB,
  /** Timings of single nodes in one profile: onnxruntime writes some KiB for each. */
  profileTimingsMax: 50_000,
  /** A profile is JSON that is parsed whole. */
  profileBytesMax: 256 * MiB,
} as const;
