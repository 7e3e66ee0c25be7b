/** One server over HTTP/1.1 with node's own client: no redirects, no proxy, every size and time bounded. */
import { Agent as HttpAgent, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { SourceError } from '../../core/errors.ts';
import { OBJECT_LIMITS } from '../../core/limits/objects.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Path and query, percent-encoded; sent as it is. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Bytes that a good reply may have; those of errors are cut off at a cap of their own. */
  readonly replyBytesMax?: number;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** In memory of its own. */
  readonly body: Uint8Array;
}

export interface HttpServer {
  /** Host and port, for errors and for the header. */
  readonly host: string;
  /**
   * @throws SourceError OBJECT_STORE_UNAVAILABLE (no whole answer in time) | OBJECT_STORE_UNTRUSTED |
   *   OBJECT_REPLY_MALFORMED (headers that are none, a body beyond the cap)
   */
  send(request: HttpRequest): Promise<HttpReply>;
  close(): void;
}

/** Connects when the first request is sent. @param origin https, or http on this machine; whoever parsed it saw to that */
export function openHttpServer(origin: string): HttpServer {
  const url = new URL(origin);
  const isTls = url.protocol === 'https:';
  const shared = { keepAlive: true, maxSockets: OBJECT_LIMITS.requestsMax + OBJECT_LIMITS.partsInFlight };
  // Said here, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say.
  const agent = isTls
    ? new HttpsAgent({ ...shared, rejectUnauthorized: true, minVersion: 'TLSv1.2' })
    : new HttpAgent(shared);
  const open = ({ method, path, headers, body }: HttpRequest): ClientRequest =>
    (isTls ? httpsRequest : httpRequest)({
      agent,
      method,
      // The parts of the URL apart: a URL would resolve dots in the key.
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? null : Number(url.port),
      path,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-length': body.length }),
        'accept-encoding': 'identity',
      },
      maxHeaderSize: OBJECT_LIMITS.headerBytesMax,
    });
  return {
    host: url.host,
    send: (request) => exchange(() => open(request), request, url.host),
    close: () => {
      agent.destroy();
    },
  };
}

/** One request and its whole reply; the timer ends both, however slowly bytes drip. */
function exchange(open: () => ClientRequest, request: HttpRequest, host: string): Promise<HttpReply> {
  const bytes = (request.body?.length ?? 0) + (request.replyBytesMax ?? 0);
  const timeoutMs = OBJECT_LIMITS.requestMs + Math.ceil((bytes * 1000) / OBJECT_LIMITS.rateMin);
  return new Promise<HttpReply>((resolve, reject) => {
    const outgoing = open();
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(error instanceof SourceError ? error : toHttpError(error, host));
    };
    const timer = setTimeout(() => {
      fail(toUnavailable(host, 'timeout'));
    }, timeoutMs);
    outgoing.on('error', fail);
    outgoing.on('response', (response) => {
      readReply(response, request, host).then((reply) => {
        clearTimeout(timer);
        resolve(reply);
      }, fail);
    });
    outgoing.end(request.body);
  });
}

async function readReply(response: IncomingMessage, request: HttpRequest, host: string): Promise<HttpReply> {
  const { statusCode: status = 0, headers } = response;
  const isGood = status >= 200 && status < 300;
  const bytesMax = (isGood ? request.replyBytesMax : undefined) ?? OBJECT_LIMITS.replyBytesMax;
  // In place where the length is told: pieces that wait to be put together would be as much memory again.
  const told = request.method === 'HEAD' ? 0 : Number(headers['content-length'] ?? 0);
  let body: Uint8Array = new Uint8Array(told <= bytesMax ? told : 0);
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const end = size + chunk.length;
    if (end > bytesMax) throw toMalformed(host, 'size');
    if (end > body.length) body = grow(body, Math.min(bytesMax, 2 * end));
    body.set(chunk, size);
    size = end;
  }
  // Cut off in the middle: node ends the stream without an error when the length was not announced.
  if (!response.complete) throw toUnavailable(host, 'reply cut off');
  if (size < body.length) body = body.slice(0, size);
  return { status, headers, body };
}

function grow(bytes: Uint8Array, size: number): Uint8Array {
  const larger = new Uint8Array(size);
  larger.set(bytes);
  return larger;
}

/** Certificates that are not trusted; trying again changes nothing. */
const TLS_CODES =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY|DECODE|DECRYPT)_|ERR_TLS_CERT|ERR_SSL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|EPROTO$)/;

function toHttpError(error: unknown, host: string): SourceError {
  const reason = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  if (TLS_CODES.test(reason)) return new SourceError('OBJECT_STORE_UNTRUSTED', { fields: { host, reason } });
  if (reason.startsWith('HPE_')) return toMalformed(host, 'headers');
  // No cause: nothing of a request may end up in a log.
  return toUnavailable(host, reason);
}

export function toUnavailable(host: string, reason: string, retryAfterMs: number | null = null): SourceError {
  return new SourceError('OBJECT_STORE_UNAVAILABLE', { fields: { host, reason, retryAfterMs } });
}

/** The reply cannot be used; `at` says where, never with what. */
export function toMalformed(host: string, at: string, status: number | null = null): SourceError {
  return new SourceError('OBJECT_REPLY_MALFORMED', { fields: { host, at, status } });
}
