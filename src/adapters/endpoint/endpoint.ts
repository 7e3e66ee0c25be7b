/** One end point over HTTP/1.1 with node's own client: no redirects, no decompression, no proxy, every size and time bounded. */
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import { RemoteError } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import type { Endpoint, EndpointReply, EndpointRequest, OpenEndpointOptions } from '../../watermark/ports.ts';
import { parseEndpointUrl } from './address.ts';
import { toRemoteError } from './failures.ts';

/**
 * @throws RemoteError REMOTE_URL_REFUSED | REMOTE_INSECURE
 */
export function openEndpoint({ url: text, headers, cacert, isInsecureAllowed }: OpenEndpointOptions): Endpoint {
  const url = parseEndpointUrl(text, isInsecureAllowed);
  const isTls = url.protocol === 'https:';
  const agent = isTls
    ? new HttpsAgent({ keepAlive: true, ...toTlsOptions(cacert) })
    : new HttpAgent({ keepAlive: true });
  const send = (request: EndpointRequest): ClientRequest =>
    (isTls ? httpsRequest : httpRequest)(url, {
      agent,
      method: 'POST',
      headers: {
        ...Object.fromEntries(headers),
        'content-type': request.contentType,
        'content-length': request.body.length,
        accept: 'application/json',
        'accept-encoding': 'identity',
      },
      maxHeaderSize: REMOTE_LIMITS.replyHeaderBytesMax,
    });
  return {
    label: url.host,
    post: (request) => exchange(() => send(request), request, url.host),
    close: () => {
      agent.destroy();
    },
  };
}

/** Said here, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say. */
function toTlsOptions(cacert: Uint8Array | null) {
  const ca = cacert === null ? {} : { ca: [...rootCertificates, Buffer.from(cacert)] };
  return { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...ca } as const;
}

/** One request and its whole reply; the timer ends both, however slowly bytes drip. */
function exchange(open: () => ClientRequest, request: EndpointRequest, host: string): Promise<EndpointReply> {
  return new Promise((resolve, reject) => {
    const outgoing = open();
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(error instanceof RemoteError ? error : toRemoteError(error, host));
    };
    const timer = setTimeout(() => {
      fail(new RemoteError('REMOTE_TIMEOUT', { fields: { host, timeoutMs: request.timeoutMs } }));
    }, request.timeoutMs);
    outgoing.on('error', fail);
    outgoing.on('response', (response) => {
      readReply(response, host).then((reply) => {
        clearTimeout(timer);
        resolve(reply);
      }, fail);
    });
    outgoing.end(request.body);
  });
}

async function readReply(response: IncomingMessage, host: string): Promise<EndpointReply> {
  const status = response.statusCode ?? 0;
  if (status >= 300 && status < 400) throw new RemoteError('REMOTE_REDIRECTED', { fields: { host, status } });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > REMOTE_LIMITS.replyBytesMax) {
      throw new RemoteError('REMOTE_REPLY_TOO_LARGE', { fields: { host, bytesMax: REMOTE_LIMITS.replyBytesMax } });
    }
    chunks.push(chunk);
  }
  // Cut off in the middle: node ends the stream without an error when the length was not announced.
  if (!response.complete) throw new RemoteError('REMOTE_UNREACHABLE', { fields: { host, reason: 'reply cut off' } });
  const retryAfterMs = findRetryAfterMs(response.headers['retry-after'], Date.now());
  return { status, retryAfterMs, body: Buffer.concat(chunks) };
}

/** Seconds or a date (RFC 9110 10.2.3), as milliseconds from now, bounded; null for anything else. */
export function findRetryAfterMs(value: string | undefined, nowMs: number): number | null {
  if (value === undefined) return null;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), REMOTE_LIMITS.retryAfterMsMax) : null;
}
