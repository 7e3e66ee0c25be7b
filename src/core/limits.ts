/** Every cap on untrusted input, with its reason; areas add theirs in core/limits/<area>.ts. */

/** Caps shared by all readers of files. */
export const LIMITS = {
  /** Bytes of any JSON document read whole (claims, envelopes, baselines, indexes): a 100k-tensor manifest fits. */
  jsonBytesMax: 64 * 1024 * 1024,
  /** Bytes of any file that is read whole, whatever it is: a signed baseline of the largest model takes 96 MiB. */
  wholeFileBytesMax: 256 * 1024 * 1024,
  /** Read and write unit of streams; measured best between 256 KiB and 1 MiB on Node 20. */
  streamChunkBytes: 1024 * 1024,
} as const;
