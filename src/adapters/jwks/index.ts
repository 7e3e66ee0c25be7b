/** The way to issuers of tokens: HTTPS, certificate verified, no redirect, bounded time and size. */
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { GatewayError } from '../../core/errors.ts';
import { TOKEN_LIMITS } from '../../core/limits/api-keys.ts';
import type { JwksLink } from '../../gateway/ports.ts';

export interface JwksLinkOptions {
  /** PEM of the authority that certificates of issuers must be under; the system's authorities without it. */
  readonly caPem?: Uint8Array | undefined;
  /** How long one answer may take. */
  readonly timeoutMs?: number;
}

export function openJwksLink(options: JwksLinkOptions = {}): JwksLink {
  const { caPem, timeoutMs = TOKEN_LIMITS.jwksTimeoutMs } = options;
  const ca = caPem === undefined ? {} : { ca: Buffer.from(caPem) };
  // rejectUnauthorized is said, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say.
  const agent = new Agent({ keepAlive: false, minVersion: 'TLSv1.2', rejectUnauthorized: true, ...ca });
  return {
    get: async (text) => {
      const url = URL.canParse(text) ? new URL(text) : null;
      if (url?.protocol !== 'https:') throw new GatewayError('JWKS_UNAVAILABLE', { fields: { reason: 'address' } });
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        return await exchange(url, { agent, signal });
      } catch (cause) {
        if (cause instanceof GatewayError) throw cause;
        throw new GatewayError('JWKS_UNAVAILABLE', { fields: { reason: toReason(cause, signal) }, cause });
      }
    },
  };
}

function toReason(cause: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'time';
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unknown';
}

function exchange(url: URL, options: { agent: Agent; signal: AbortSignal }): Promise<Uint8Array> {
  return new Promise((done, fail) => {
    const headers = { accept: 'application/json', 'accept-encoding': 'identity' };
    const maxHeaderSize = TOKEN_LIMITS.jwksHeaderBytesMax;
    const sent = httpsRequest(url, { ...options, headers, maxHeaderSize }, (response) => {
      readAnswer(response).then(done, fail);
    });
    sent.on('error', fail);
    sent.end();
  });
}

/** Anything but 200 is no answer: a redirect could lead to where keys of others lie. */
async function readAnswer(response: IncomingMessage): Promise<Uint8Array> {
  const { statusCode: status = 0 } = response;
  if (status !== 200) {
    response.destroy();
    throw new GatewayError('JWKS_UNAVAILABLE', { fields: { reason: 'status', status } });
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > TOKEN_LIMITS.jwksBytesMax) {
      response.destroy();
      throw new GatewayError('JWKS_MALFORMED', { fields: { at: 'size' } });
    }
    chunks.push(chunk);
  }
  if (!response.complete) throw new GatewayError('JWKS_UNAVAILABLE', { fields: { reason: 'answer cut off' } });
  return new Uint8Array(Buffer.concat(chunks));
}
