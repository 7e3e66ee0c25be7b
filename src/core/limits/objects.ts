/** Caps on what object stores send and are sent, with their reasons. */

export const OBJECT_LIMITS = {
  /** Characters of an address: a key of 1024 bytes, a bucket and an end point. */
  addressCharsMax: 4096,
  /** Bytes of a key: the stores' own limit. */
  keyBytesMax: 1024,
  /** Reads are rounded to this: a graph's index makes tens of thousands of tiny reads. */
  grainBytes: 64 * 1024,
  /** Bytes of one ranged request: one segment of a seal, rounded at both ends; larger ones would hold up small reads. */
  requestBytesMax: 1024 * 1024 + 2 * 64 * 1024,
  /** Requests on the way for one source: hides 30 ms of latency at 250 MB/s. */
  requestsMax: 8,
  /** Bytes that a reader must have read in one go before bytes behind them are asked for: more than two segments of a seal. */
  readAheadFromBytes: 3 * 1024 * 1024,
  /** Bytes of one source that are kept: what is on the way, and as much again. */
  cachedBytes: 16 * 1024 * 1024,
  /** Bytes of any reply that is no object: XML or JSON of a few members. */
  replyBytesMax: 256 * 1024,
  /** Bytes of the headers of a reply: the stores allow 2 KiB of metadata of a user's. */
  headerBytesMax: 32 * 1024,
  /** Milliseconds for one request, besides what its bytes take at the slowest rate. */
  requestMs: 15_000,
  /** Slowest rate, bytes a second, at which a request is still waited for. */
  rateMin: 64 * 1024,
  /** Times that a request is sent before an outage is told. */
  attemptsMax: 4,
  /** First wait between two of them, milliseconds; each further one is twice as long. */
  backoffMs: 250,
  /** Longest wait that a store may ask for between two of them. */
  retryAfterMsMax: 20_000,
  /** Bytes of one part of an upload; stores take 5 MiB and more, and 10,000 parts. */
  partBytesMin: 8 * 1024 * 1024,
  /** Parts of one upload: below the stores' 10,000, so that a size that was guessed may be a little short. */
  partsMax: 9000,
  /** Parts on the way at once; each is held in memory. */
  partsInFlight: 3,
  /** Bytes of the largest object: 9,000 parts of 64 MiB, since three parts lie in memory. */
  objectBytesMax: 9000 * 64 * 1024 * 1024,
  /** Milliseconds until the thread that asks runs; a busy machine takes seconds. */
  startMs: 60_000,
  /** Milliseconds that a reader waits for the thread that asks: longer than all attempts of a part together. */
  threadMs: 30 * 60 * 1000,
  /** Milliseconds for taking back what was uploaded, when the user interrupts. */
  abortMs: 5000,
} as const;
