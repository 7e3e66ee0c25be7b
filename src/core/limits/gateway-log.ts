/** Caps of the log of requests. */

export const GATEWAY_LOG_LIMITS = {
  /** A file of the spool is followed by the next beyond this. */
  segmentBytes: 8 * 1024 * 1024,
  /** Rows of all streams of one process that may wait for the database: some million. */
  spoolBytesMax: 256 * 1024 * 1024,
  /** Bytes that are read of a spool, and rows that are written, in one transaction: the longest row fits, some thousand short ones do. */
  readBytes: 1024 * 1024,
  rowsPerWrite: 4096,
  /** How often the spool is looked at: rows come together meanwhile, since each transaction costs a sync and the pages that it touches. */
  pollMs: 200,
  /** Rows get a checkpoint at the latest after this. */
  checkpointMs: 1000,
  /** Rows of one checkpoint: 64 bytes each while it is made. */
  checkpointRowsMax: 65_536,
  /** Checkpoints go to the ledger so often. */
  anchorMs: 60_000,
  /** How often a gateway looks for days that are too old. */
  retainMs: 3_600_000,
  /** Rows of one page of a query, and of the memory of an export. */
  pageRows: 1000,
} as const;
