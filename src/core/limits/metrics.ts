/** Caps of what the gateway tells of itself: series, lines, spans. */

export const METRICS_LIMITS = {
  /** Series of one family: 256 models of some protocols and codes; what is beyond counts as one series "other". */
  seriesMax: 4096,
  /** Callers whose requests are counted one by one; those beyond are not told apart. */
  callersMax: 100_000,
  /** Callers that have a series of their own. */
  topCallersMax: 100,
  /** A worker that takes longer to tell its counts is shown as it was last. */
  workerTimeoutMs: 1000,
} as const;

export const JOURNAL_LIMITS = {
  /** Of one text in a line. */
  textCharsMax: 200,
  /** Members of a list in a line. */
  listMax: 16,
  /** Lines of one event and code in one span of time; the next one says how many there were beyond. */
  linesPerSpan: 20,
  spanMs: 10_000,
  /** Events and codes that are told apart. */
  kindsMax: 512,
  /** Places of the program in one line. */
  framesMax: 8,
  /** Bytes that wait for a slow reader; lines beyond are counted, and told later. */
  waitingBytesMax: 1024 * 1024,
} as const;

export const TELEMETRY_LIMITS = {
  /** Spans that wait to be sent; those beyond are dropped and counted. */
  spansMax: 2048,
  /** Spans of one message: some 500 KiB. */
  spansPerSend: 512,
  timeoutMs: 10_000,
  /** Between two messages, where the configuration says nothing: as often as Prometheus asks by default. */
  everyMs: 15_000,
  answerBytesMax: 64 * 1024,
  retryFirstMs: 1000,
  retryMaxMs: 60_000,
  /** Other vendors' state that is handed on (W3C Trace Context section 3.3.1.5: at least 512). */
  traceStateCharsMax: 512,
} as const;
