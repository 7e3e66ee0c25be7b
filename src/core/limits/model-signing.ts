/** Caps on model signatures and on the folders that they cover, each with its reason. */

export const MODEL_SIGNING_LIMITS = {
  /** A resource takes about 170 bytes in base64: this holds the longest manifest below, and no more. */
  bundleBytesMax: 64 * 1024 * 1024,
  /** Files and shards of one model: a data set of a quarter of a million images; signed model folders have hundreds. */
  resourcesMax: 250_000,
  /** Longest name of a resource: PATH_MAX on Linux, and two offsets. */
  nameCharsMax: 4096 + 40,
  ignorePathsMax: 1024,
  /** A folder behind a folder …: deeper trees are loops that a file system hides. */
  depthMax: 128,
  /** The reference tool's default, decimal. */
  shardBytesDefault: 1_000_000_000,
  /** Below this a manifest outgrows what it protects. */
  shardBytesMin: 65_536,
  /** Read unit: stays in the second-level cache between the copy and the hash (measured: 93 % of hashing memory). */
  readBytes: 256 * 1024,
  /** Certificates in one bundle or file of roots, and the longest path. */
  certificatesMax: 16,
  certificateBytesMax: 64 * 1024,
  /** PEM files: a key is below 1 KiB, a file of 16 RSA certificates below 64 KiB. */
  pemBytesMax: 256 * 1024,
  /** DER of two P-521 integers. */
  signatureBytesMax: 160,
  /** Entries of a transparency log in one bundle: one, or a few when several logs were asked. */
  logEntriesMax: 16,
  /** RFC 3161 tokens in one bundle. */
  timestampsMax: 8,
  /** RFC 5280 leaves it open; NIST SP 800-131A asks 2048. */
  rsaBitsMin: 2048,
  /** Trusted roots of Sigstore are about 30 KiB. */
  trustRootBytesMax: 4 * 1024 * 1024,
  /** Changes that a report lists; all are counted. */
  changesListedMax: 1000,
} as const;
