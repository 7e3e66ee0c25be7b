/** Caps of keyed probes and of checks over a network, with their reasons. */

const MiB = 1024 * 1024;

export const REMOTE_LIMITS = {
  /** Queries of one check in all, retries and other traffic included: what an owner may spend without being noticed. */
  queriesMax: 2500,
  /** Questions of one set: more sharpen nothing that 2,000 do not settle. */
  questionsMax: 10_000,
  /** Probes that answers are recorded to, and that the asked ones are chosen from: answers of 256 KiB. */
  poolMax: 100_000,
  /** Below this many questions not even full agreement reaches 64 bits at the lowest chance. */
  questionsMin: 103,
  /** Null models behind a calibration. */
  nullsMax: 1000,
  /** Inputs of a model; the largest public graphs have some hundreds, most of them caches. */
  inputsMax: 64,
  /** Elements of one question: a 4K image of three channels. */
  questionElementsMax: 32 * MiB,
  /** Elements of all questions of a set together, which a verifier makes again: minutes of work on one core. */
  setElementsMax: 4096 * MiB,
  /** Inputs whose digest an annex holds: enough to tell other inputs from ours. */
  digestedQuestions: 32,
  /** Classes of an answer. */
  classesMax: 1_000_000,
  /** Bytes of one reply: the scores of 256 questions with 1,000 classes in JSON take 5 MiB. */
  replyBytesMax: 16 * MiB,
  /** Bytes of the headers of a reply. */
  replyHeaderBytesMax: 64 * 1024,
  /** Bytes of one request: larger ones are refused by most servers. */
  requestBytesMax: 64 * MiB,
  /** Questions in one request. */
  batchMax: 256,
  /** Milliseconds for one whole request. */
  timeoutMsDefault: 60_000,
  timeoutMsMax: 600_000,
  /** Longest wait that a server may ask for. */
  retryAfterMsMax: 300_000,
  /** Attempts of one request. */
  attemptsMax: 5,
  /** Milliseconds before the second attempt; doubled for each further one. */
  backOffMs: 1000,
  /** Requests in a row that failed after all attempts: then the end point is gone, and the run stops to be resumed. */
  failuresInRowMax: 3,
  /** Replies without one usable answer at the start, after which the format must be wrong. */
  unusableMax: 20,
  /** Bytes of a file with headers, a key or class names. */
  headerFileBytesMax: 32 * 1024,
  headersMax: 64,
  labelsBytesMax: 16 * MiB,
  /** Bytes of a request template. */
  templateBytesMax: 64 * 1024,
  /** Bytes of a state file: 2,500 answers of at most 64 characters. */
  stateBytesMax: 1 * MiB,
} as const;
