/** Caps and sizes of baselines and verification, each with its reason. */

export const TAMPER_LIMITS = {
  /** Payload of a baseline; 36 bytes per 64 KiB leaf in base64 reach this at about 80 GiB of weights. */
  manifestBytesMax: 64 * 1024 * 1024,
  filesMax: 4096,
  tensorsMax: 1_000_000,
  nodesMax: 1_000_000,
  rankMax: 64,
  metadataEntriesMax: 100_000,
  /** Scopes inside scopes; the readers allow no more. */
  scopeDepthMax: 100,
  /** Changes listed one by one unless the caller asks otherwise; the counts go on. */
  changesMax: 10_000,
} as const;
