/** Bounds on waiting for databases. */

export const DATABASE_LIMITS = {
  /** Longest that a writer waits for its turn; devices wait 15 s for an answer. */
  turnWaitMs: 10_000,
  /** Between two looks at a file that another process writes to: it does not tell when it is done. */
  turnPollMs: 4,
  connectTimeoutMs: 10_000,
  /** One statement; all of them are about single rows or small sets. */
  statementTimeoutMs: 30_000,
  /** A transaction that says nothing for so long (a stopped process, a dead machine) gives its turn up. */
  silenceMs: 15_000,
  /** Connections of one process to a server: one writes, the others read. */
  connectionsMax: 4,
} as const;
