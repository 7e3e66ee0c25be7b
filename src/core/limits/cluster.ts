/** Caps of the processes that answer together. */

export const CLUSTER_LIMITS = {
  workersMax: 64,
  /** A worker that ended is started again after so long, and twice as long each time it ends early again. */
  restartFirstMs: 100,
  restartMaxMs: 10_000,
  /** A worker that served for so long did not end early. */
  steadyMs: 30_000,
  /** Workers that ended early within `endsWithinMs`, for each of those that there are to be: one more ends the gateway. */
  endsMax: 5,
  endsWithinMs: 60_000,
  /** Beside the time to drain: for the log to go into its database, and for models to be released. */
  endTimeoutMs: 45_000,
  /** Entries of the ledger that a worker asks for at a time. */
  entriesMax: 16,
  /** A worker that does not answer what it was told to do. */
  callTimeoutMs: 600_000,
  /** A worker that does not say what it has for so long counts as not there. */
  statusTimeoutMs: 5000,
} as const;
