/** Caps on what goes through the job queue, and on what is believed of what comes out. */

export const QUEUE_LIMITS = {
  /** Bytes of a plan inside a job; a plan without tensors takes some hundred bytes a step. */
  planBytesMax: 1024 * 1024,
  /** Characters of a path below the shared folder: what file systems take. */
  pathCharsMax: 4096,
  /** Characters of the JSON text of a result: 400 problems with names of usual length. */
  resultCharsMax: 1024 * 1024,
  /** Characters of one name in a result: longer ones are cut by the worker. */
  nameCharsMax: 1024,
  /** Characters of a message in a result. */
  messageCharsMax: 1024,
  /** Times that a worker takes a job; one that ends its worker each time must not end all of them for ever. */
  attemptsMax: 5,
  /** Bytes of jobs sent in one statement: well below what a server of default settings takes in memory. */
  insertBytesMax: 8 * 1024 * 1024,
} as const;
