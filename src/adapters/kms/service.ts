/** One key service over HTTP/1.1 with node's own client: no redirects, no proxy, no retries, every size and time bounded. */
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { z } from 'zod';
import { allocSecret, zeroize } from '../../core/bytes.ts';
import { type ErrorFields, SealError } from '../../core/errors.ts';
import { SEAL_LIMITS } from '../../core/limits/seal.ts';

export interface ServiceRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  /** Path and query, percent-encoded; sent as it is. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** May hold a key: it is wiped when the request is over. */
  readonly body?: Uint8Array;
}

/** A whole reply below 500 that is no redirect and no "slow down"; what it means is the provider's. */
export interface ServiceReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** May hold a key: the caller wipes it. */
  readonly body: Uint8Array;
}

export interface KeyService {
  /** Host and port, for errors. */
  readonly host: string;
  /**
   * @throws SealError KEY_PROVIDER_UNAVAILABLE (no answer in time, 408, 429, 5xx; field `retryAfterMs`, null where the
   *   service tells none); KEY_SERVICE_UNTRUSTED; KEY_SERVICE_MALFORMED for redirects and what is too large
   */
  send(request: ServiceRequest): Promise<ServiceReply>;
  close(): void;
}

export interface KeyServiceOptions {
  /** https, or http to this machine or a link-local address; whoever parsed the URI saw to that. */
  readonly origin: string;
  /** PEM of an authority that is trusted besides the usual ones. */
  readonly caPem?: Uint8Array | null;
  readonly timeoutMs?: number;
}

/** Connects when the first request is sent. */
export function openKeyService(options: KeyServiceOptions): KeyService {
  const url = new URL(options.origin);
  const isTls = url.protocol === 'https:';
  const agent = isTls
    ? new HttpsAgent({ keepAlive: true, ...toTlsOptions(options.caPem ?? null) })
    : new HttpAgent({ keepAlive: true });
  const open = ({ method, path, headers, body }: ServiceRequest): ClientRequest =>
    (isTls ? httpsRequest : httpRequest)({
      agent,
      method,
      // The parts of the URL apart: a path of two slashes would name another host, and get what is meant for this one.
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? null : Number(url.port),
      path,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-length': body.length }),
        'accept-encoding': 'identity',
      },
      maxHeaderSize: SEAL_LIMITS.keyServiceHeaderBytesMax,
    });
  return {
    host: url.host,
    send: (request) => exchange(() => open(request), request.body, { host: url.host, ...options }),
    close: () => {
      agent.destroy();
    },
  };
}

/** Said here, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say. */
function toTlsOptions(caPem: Uint8Array | null) {
  const ca = caPem === null ? {} : { ca: [...rootCertificates, Buffer.from(caPem)] };
  return { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...ca } as const;
}

interface At {
  readonly host: string;
  readonly timeoutMs?: number;
}

/** One request and its whole reply; the timer ends both, however slowly bytes drip. */
function exchange(open: () => ClientRequest, body: Uint8Array | undefined, at: At): Promise<ServiceReply> {
  const { host, timeoutMs = SEAL_LIMITS.keyServiceTimeoutMs } = at;
  return new Promise<ServiceReply>((resolve, reject) => {
    const outgoing = open();
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(error instanceof SealError ? error : toServiceError(error, host));
    };
    const timer = setTimeout(() => {
      fail(new SealError('KEY_PROVIDER_UNAVAILABLE', { fields: { host, timeoutMs } }));
    }, timeoutMs);
    outgoing.on('error', fail);
    outgoing.on('socket', (socket) => {
      socket.on('data', wipe);
      outgoing.once('close', () => socket.off('data', wipe));
    });
    outgoing.on('response', (response) => {
      readReply(response, host).then((reply) => {
        clearTimeout(timer);
        resolve(reply);
      }, fail);
    });
    outgoing.end(body);
  }).finally(() => {
    if (body !== undefined) zeroize(body);
  });
}

/** What came in was copied by the parser, which listens before this does: without it each reply would stay in memory. */
function wipe(received: Uint8Array): void {
  zeroize(received);
}

async function readReply(response: IncomingMessage, host: string): Promise<ServiceReply> {
  const { statusCode: status = 0, headers } = response;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > SEAL_LIMITS.keyServiceReplyBytesMax) throw toMalformed({ host, status, at: 'size' });
      chunks.push(chunk);
    }
    // Cut off in the middle: node ends the stream without an error when the length was not announced.
    if (!response.complete) {
      throw new SealError('KEY_PROVIDER_UNAVAILABLE', { fields: { host, reason: 'reply cut off' } });
    }
    if (status === 408 || status === 429 || status >= 500) throw toUnavailable(host, status, headers);
    if (status < 200 || (status >= 300 && status < 400)) throw toMalformed({ host, status, at: 'status' });
    const body = allocSecret(size);
    let at = 0;
    for (const chunk of chunks) {
      body.set(chunk, at);
      at += chunk.length;
    }
    return { status, headers, body };
  } finally {
    zeroize(...chunks);
  }
}

/** `Retry-After` in seconds; a date would need this machine's clock to agree with the service's. */
function toUnavailable(host: string, status: number, headers: IncomingHttpHeaders): SealError {
  const seconds = headers['retry-after'] ?? '';
  const retryAfterMs = /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : null;
  return new SealError('KEY_PROVIDER_UNAVAILABLE', { fields: { host, status, retryAfterMs } });
}

/** Certificates that are not trusted; trying again changes nothing. */
const TLS_CODES =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY|DECODE|DECRYPT)_|ERR_TLS_CERT|ERR_SSL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|EPROTO$)/;

function toServiceError(error: unknown, host: string): SealError {
  const reason = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  if (TLS_CODES.test(reason)) return new SealError('KEY_SERVICE_UNTRUSTED', { fields: { host, reason } });
  if (reason.startsWith('HPE_')) return toMalformed({ host, at: 'headers' });
  // No cause: nothing of a request may end up in a log.
  return new SealError('KEY_PROVIDER_UNAVAILABLE', { fields: { host, reason } });
}

/** The reply cannot be used; `at` says where, never with what. */
export function toMalformed(fields: ErrorFields): SealError {
  return new SealError('KEY_SERVICE_MALFORMED', { fields });
}

/**
 * The members of a JSON reply as `schema` says.
 * @throws SealError KEY_SERVICE_MALFORMED
 */
export function parseReply<T>(reply: ServiceReply, schema: z.ZodType<T>, host: string): T {
  const parsed = schema.safeParse(findJson(reply.body));
  if (!parsed.success) throw toMalformed({ host, status: reply.status, at: 'body' });
  return parsed.data;
}

/** The JSON of a reply, undefined where it is none; error replies may be anything. */
export function findJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}
