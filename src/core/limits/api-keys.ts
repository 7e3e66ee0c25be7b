/** Caps on API keys, tokens and what is counted for them. */

export const API_KEY_LIMITS = {
  /** Records that are not revoked: about 1 KiB each in memory. */
  keysMax: 100_000,
  /** Rows that are read at once. */
  pageMax: 1000,
  nameCharsMax: 100,
  tenantCharsMax: 64,
  scopesMax: 64,
  cidrsMax: 64,
  hiddenMax: 64,
  /** 10,000 requests a second. */
  perMinuteMax: 600_000,
  burstMax: 100_000,
  /** Far below 2^53, so that sums stay exact. */
  itemsMax: 1_000_000_000_000,
  concurrencyMax: 10_000,
  /** Rows of one request: what a row of the log has room for. */
  batchMax: 0xffff_ffff,
  /** One secret that goes, one that comes. */
  secretsMax: 2,
  /** Longest overlap of a rotation: 90 days. */
  overlapSecMax: 90 * 86_400,
  /** Largest Authorization header that is looked at; tokens of identity providers with groups are 2 to 6 KiB. */
  credentialCharsMax: 8192,
  /** Between two looks at the counter of changes: a revocation holds within a second. */
  pollMs: 500,
  /** Keys that could not be compared with the table for so long are not believed any more. */
  staleMs: 60_000,
  /** How often "last used" is written. */
  usedEveryMs: 30_000,
} as const;

export const TOKEN_LIMITS = {
  /** Verified tokens that are remembered: 1 KiB each. */
  cachedMax: 4096,
  cachedMs: 60_000,
  /** Signatures of one issuer that are verified at a time: 150 us of a core each. */
  pendingMax: 64,
  /** Clocks of issuer and gateway may differ. */
  skewSec: 30,
  claimCharsMax: 512,
  claimDepthMax: 8,
  rulesMax: 64,
  issuersMax: 8,
  jwksBytesMax: 256 * 1024,
  jwksKeysMax: 64,
  jwksHeaderBytesMax: 16 * 1024,
  jwksTimeoutMs: 5000,
  /** How long a set is used before it is fetched again. */
  jwksFreshMs: 10 * 60_000,
  /** Between two fetches that unknown key ids or failures cause. */
  jwksCooldownMs: 30_000,
  /** Between two looks whether sets are fresh. */
  jwksLookMs: 30_000,
  /** How long a set is used when the issuer cannot be reached. */
  jwksStaleMs: 60 * 60_000,
  rsaBitsMin: 2048,
} as const;

export const RATE_LIMITS = {
  defaultPerMinute: 120,
  defaultBurst: 20,
  defaultConcurrency: 16,
  /** Callers of whom something is remembered; those at rest are forgotten first. */
  subjectsMax: 200_000,
  /** Addresses without a credential. */
  addressesMax: 65_536,
  /** An answer of the store that takes longer counts as none. */
  storeTimeoutMs: 250,
  /** How long a store that failed is left alone before it is tried again. */
  storeRetryMs: 500,
  /** Part of a budget that one process takes in advance. */
  leasePart: 1 / 200,
  leaseMax: 10_000,
  /** A lease of which nothing was used for so long is given back. */
  leaseIdleMs: 60_000,
  /** Between two questions for a budget that was used up. */
  budgetRetryMs: 1000,
  /** Requests that wait for one lease. */
  leaseWaitersMax: 256,
  /** Questions of one worker that are under way. */
  linePendingMax: 10_000,
  /** The first process is on this machine, and nobody counts instead of it: busy is not away. */
  lineTimeoutMs: 1000,
  /** Of one message: what is under way, and what is given back at the same moment. */
  lineMessageMax: 40_000,
} as const;
