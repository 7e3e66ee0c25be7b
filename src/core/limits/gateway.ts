/** Caps of the gateway: what a caller may send, hold and make it remember. */

export const GATEWAY_LIMITS = {
  /** Of a request's headers together; tokens of 4 KiB fit. */
  headerBytesMax: 16 * 1024,
  /** Default cap of a body: a tensor of 1x3x1024x1024 in 32 bits is 12 MiB. */
  bodyBytesMax: 16 * 1024 * 1024,
  /** What a configuration may raise it to. */
  bodyBytesCeiling: 256 * 1024 * 1024,
  /** All bodies that are in memory at a time. */
  bodiesBytesMax: 512 * 1024 * 1024,
  /** Default cap of an answer. */
  answerBytesMax: 16 * 1024 * 1024,
  /** JSON: arrays in arrays. A tensor of eight axes within an OIP body is at depth 11. */
  jsonDepthMax: 16,
  /** Bodies of text models: a tool's schema nests two for each level of its own. */
  jsonNestedDepthMax: 64,
  /** JSON of more bytes is read by another thread: this much takes about half a millisecond. */
  loopJsonBytesMax: 64 * 1024,
  /** JSON whose values are gone over and not read: this much takes about a millisecond. */
  loopSkimBytesMax: 256 * 1024,
  /** Outputs of more bytes are written as text by another thread: as FP32 this much takes about half a millisecond. */
  loopOutputBytesMax: 8 * 1024,
  /** Bodies that other threads read at a time, or that wait for one; further ones are refused. */
  readsMax: 64,
  /** Members of the outermost object of a body. */
  membersMax: 128,
  /** One event of a stream; those of text models have some hundred bytes. */
  eventBytesMax: 1024 * 1024,
  /** Axes of a tensor. */
  rankMax: 8,
  /** Tensors of one request or answer. */
  tensorsMax: 64,
  /** Rows of one request by default. */
  batchMax: 64,
  /** Names of models, versions, inputs and outputs. */
  nameCharsMax: 128,
  /** Connections at a time; a quarter of them for one peer. */
  connectionsMax: 4096,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  /** From the end of the body to the beginning of the answer, where nothing behind may take longer. */
  answerTimeoutMs: 300_000,
  idleTimeoutMs: 30_000,
  /** How long work may go on once the process is told to end. */
  drainTimeoutMs: 30_000,
  /** HTTP/2: streams of one connection at a time (Envoy's edge list: 100). */
  streamsMax: 100,
} as const;
