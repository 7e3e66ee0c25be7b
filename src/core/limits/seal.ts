/** Caps on sealed files, envelopes and key files, with their reasons. */

export const SEAL_LIMITS = {
  /** The JSON header lists file names: 1 MiB holds about 10,000 of them. */
  headerBytesMax: 1024 * 1024,
  /** A model of more files than this is not one model; the largest published ones have a few hundred shards. */
  filesMax: 8192,
  /** Longest relative file name inside a seal; PATH_MAX is 4096 on Linux with the folder counted. */
  nameBytesMax: 1024,
  /** Below 64 KiB the 32 bytes and the key schedule of a segment cost over 10 % of the speed. */
  segmentBytesMin: 64 * 1024,
  /** Above 4 MiB a reader of one small tensor decrypts too much, and memory per reader grows. */
  segmentBytesMax: 4 * 1024 * 1024,
  /** Fastest of 16 KiB to 4 MiB with node:crypto. */
  segmentBytesDefault: 1024 * 1024,
  /** Work from which warming up the allocator (a millisecond or two) pays. */
  primeFromBytes: 16 * 1024 * 1024,
  /** Twice this is what may lie free before the allocator gives it back: twice the longest segment. */
  primeBlockBytes: 4 * 1024 * 1024,
  /** Decrypted segments that an open seal keeps: a tensor on a border, the graph, and one neighbour. */
  cachedSegments: 4,
  /** Recipients of one envelope; each is a call to a key provider when a key is looked for. */
  recipientsMax: 256,
  /** Bytes of one wrapped key, base64-decoded: an age file or a JWE for one key is under 2 KiB. */
  wrappedBytesMax: 16 * 1024,
  /** An envelope of 256 recipients of the largest size, with room. */
  envelopeBytesMax: 8 * 1024 * 1024,
  /** A key file of 1,000 versions; two and a half centuries of quarterly rotation. */
  keyFileBytesMax: 256 * 1024,
  /** Characters of a key URI: a path of 4096 bytes, or a few of them percent-encoded. */
  keyUriCharsMax: 16 * 1024,
  /** Bytes of a token, a service account's key, an AWS configuration or a CA file: the largest of them are some tens of KiB. */
  credentialsBytesMax: 256 * 1024,
  /** Bytes of one reply of a key service: an answer about 1,000 key versions. */
  keyServiceReplyBytesMax: 1024 * 1024,
  /** Bytes of the headers of such a reply. */
  keyServiceHeaderBytesMax: 32 * 1024,
  /** Milliseconds for one whole request to a key service. */
  keyServiceTimeoutMs: 30_000,
  /** Versions of one key that a description lists: two and a half centuries of quarterly rotation. */
  keyVersionsMax: 1000,
  /** Pages in which a service may hand out such a list: Azure's hold 25 versions, and any service's may be empty. */
  keyServicePagesMax: 64,
  /** Names, references and other free text in headers and envelopes. */
  textCharsMax: 1024,
} as const;
