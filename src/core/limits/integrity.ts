/** Caps of checking marks of answers: everything in them was written by whoever sent the answer. */

export const INTEGRITY_LIMITS = {
  /** A field of digests or signatures; ours have at most 600 characters. */
  fieldCharsMax: 8192,
  /** The last event of a stream, and the string within an answer: as all fields together. */
  markBytesMax: 64 * 1024,
  /** Headers of an answer's file. */
  headerBytesMax: 256 * 1024,
  /** Files of answers and requests that are read whole: the gateway's own ceiling of a body. */
  fileBytesMax: 256 * 1024 * 1024 + 256 * 1024,
  /** A key file, a public key, a proof of a request. */
  keyFileBytesMax: 2 * 1024 * 1024,
  /** How far a clock of a checker may be behind that of a gateway. */
  skewMs: 60_000,
} as const;
