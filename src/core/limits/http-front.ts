/** Caps of the gateway's front: what one connection, and all of them, may hold, send and take their time for. */
import { GATEWAY_LIMITS } from './gateway.ts';

export const HTTP_FRONT_LIMITS = {
  headerBytesMax: GATEWAY_LIMITS.headerBytesMax,
  bodyBytesMax: GATEWAY_LIMITS.bodyBytesMax,
  bodiesBytesMax: GATEWAY_LIMITS.bodiesBytesMax,
  /** Of a body that comes before it is asked who sends it: the JSON of usual models is whole by then. */
  strangerBytesMax: 64 * 1024,
  /** So much of `bodiesBytesMax` is left to bodies of whomever; beyond it everybody is asked at the first byte. */
  strangersPart: 0.25,
  /** Once half of `bodiesBytesMax` is in use, no caller has more than this part of it. */
  callersPart: 0.25,
  /** Memory of bodies from this size on is used again; so much of it is kept while it is needed. */
  pooledBodyBytesMin: 64 * 1024,
  bodyPoolBytesMax: 32 * 1024 * 1024,
  connectionsMax: GATEWAY_LIMITS.connectionsMax,
  streamsMax: GATEWAY_LIMITS.streamsMax,
  /** HTTP/1.1: requests of one connection that wait for their answers; usual clients send the next one after the answer. */
  pipelinedMax: 8,
  /** Then the connection ends in good order, so that load balancers spread anew; nginx has 1,000. */
  requestsPerConnectionMax: 100_000,
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: GATEWAY_LIMITS.headersTimeoutMs,
  /** From the end of the headers to the end of the body. */
  requestTimeoutMs: GATEWAY_LIMITS.requestTimeoutMs,
  /** From the end of the body to the beginning of the answer. */
  answerTimeoutMs: GATEWAY_LIMITS.answerTimeoutMs,
  idleTimeoutMs: GATEWAY_LIMITS.idleTimeoutMs,
  /** For a client to take what was written, beside the time that `answerBytesPerSecondMin` gives it. */
  writeTimeoutMs: 30_000,
  /** Least rate of a body after `headersTimeoutMs` (Apache's mod_reqtimeout: 500). */
  bodyBytesPerSecondMin: 1024,
  /** Least rate at which a client takes its answer. */
  answerBytesPerSecondMin: 8 * 1024,
  /** After a refusal in the middle of a body: how long what still comes is thrown away, so that the client can read why. */
  lingerTimeoutMs: 2000,
  /** The end: connections on which nothing is under way may ask for so long, since what they sent may be on its way. */
  lastRequestMs: 250,
  /** The end: those that were made and have not asked yet, a load balancer's for instance, have longer. */
  firstRequestMs: 1000,
  /** HTTP/2: streams that one connection may reset before they were answered; one more is given back each second. */
  resetsMax: 100,
  /** HTTP/2: PING and SETTINGS frames of one connection, counted likewise. */
  controlFramesMax: 100,
  /** HTTP/2: bytes that are neither headers of requests nor bodies: WINDOW_UPDATE, PRIORITY, empty frames and the like. */
  chatterBytesMax: 256 * 1024,
  /** HTTP/2: what a client may send of one body, and of all bodies of one connection, before it is read. */
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  /** Files of certificates, keys and revocation lists. */
  tlsFileBytesMax: 1024 * 1024,
  /** Certificates of one file. */
  tlsCertificatesMax: 64,
  /** How often these files are looked at. */
  tlsPollMs: 10_000,
} as const;
