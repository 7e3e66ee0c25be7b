/** Caps of the admin API. */

export const ADMIN_LIMITS = {
  /** The largest body is that of a new key: 64 scopes, 64 networks, 64 names of outputs. */
  bodyBytesMax: 32 * 1024,
  queryCharsMax: 2048,
  /** Members and parameters that an error names. */
  placesMax: 16,
  /** Requests at work: each may read the database or write to the ledger. */
  requestsMax: 16,
  /** Of one caller. */
  perMinute: 600,
  burst: 60,
  keysPerPage: 500,
  rowsPerPage: 1000,
} as const;
