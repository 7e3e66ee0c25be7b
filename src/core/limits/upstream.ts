/** Caps of the lines to inference servers: what one line may hold, wait for, and take back. */
import { GATEWAY_LIMITS } from './gateway.ts';

export const UPSTREAM_LIMITS = {
  /** Requests at a time to one server; of HTTP/1.1 as many connections. */
  seatsMax: 64,
  /** Requests that wait for one of them; then the gateway says that it is overloaded. */
  waitingMax: 1024,
  waitTimeoutMs: 5000,
  /** Looking up the name, TCP, TLS and the pin. */
  connectTimeoutMs: 5000,
  /** From the first byte of the request to the head of the answer: the model works meanwhile. */
  headersTimeoutMs: 60_000,
  /** Between two pieces of an answer. */
  idleTimeoutMs: 30_000,
  /** For a collected answer in all, from the first byte of the request on. */
  answerTimeoutMs: 120_000,
  /** For a streamed one. */
  streamTimeoutMs: 900_000,
  /** Until whoever reads a stream asks for the next piece: the front's own patience is shorter. */
  stallTimeoutMs: 60_000,
  /** A connection that nobody uses is closed before the server does so: uvicorn and Node keep them for 5 s. */
  keepAliveTimeoutMs: 4000,
  /** Of an answer's head, names and values; of its trailers again as much. */
  headerBytesMax: 16 * 1024,
  headersMax: 64,
  /** Of a line that tells the size of a chunk, with its extensions. */
  chunkLineCharsMax: 256,
  /** Answers of 102 and 103 before the real one. */
  informationalMax: 8,
  /** Of a collected answer; each seat can hold one. */
  answerBytesMax: GATEWAY_LIMITS.answerBytesMax,
  streamBytesMax: 64 * 1024 * 1024,
  /** Pieces of a stream that wait for their reader; then the server is not read. */
  streamBufferBytes: 64 * 1024,
  /** Of a name; tried one after the other. */
  addressesMax: 8,
  /** Before a connection that was refused is tried once more: servers are restarted. */
  refusedPauseMs: 100,
  /** HTTP/2: what the server may send of one answer, and of all, before it is read. */
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 8 * 1024 * 1024,
  /** Files of certificates and keys. */
  tlsFileBytesMax: 1024 * 1024,
  /** How often these files are looked at. */
  tlsPollMs: 10_000,
  pinsMax: 8,
  networksMax: 64,
  /** Headers of the configuration, such as a credential for the server. */
  ownHeadersMax: 16,
} as const;
