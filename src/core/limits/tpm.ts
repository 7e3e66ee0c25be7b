/** Caps on what is sent to and taken from a TPM, with their reasons. */

export const TPM_LIMITS = {
  /** TPM_PT_MAX_RESPONSE_SIZE of all known TPMs is 4096. */
  responseBytesMax: 4096,
  /** A whole command: making an RSA key takes some TPMs tens of seconds, everything that is used here below one. */
  commandTimeoutMs: 30_000,
  connectTimeoutMs: 5000,
  /** How often a command is sent again that the TPM asks to be sent again (TPM_RC_RETRY, YIELDED, TESTING). */
  retriesMax: 20,
  retryPauseMs: 50,
  /** PCRs of the PC Client profile. */
  pcrsMax: 24,
  /** A sealed data object holds at most this (MAX_SYM_DATA). */
  sealedBytesMax: 128,
  /** An NV index with a certificate is below 2 KiB; 64 KiB is what its size field can say. */
  nvBytesMax: 16 * 1024,
  /** Indices with certificates of the maker's authorities: 256 are set aside, makers use one to four. */
  chainIndicesMax: 8,
  /** One NV_Read returns at most TPM_PT_NV_BUFFER_MAX, which is at least 512. */
  nvChunkBytes: 512,
} as const;
