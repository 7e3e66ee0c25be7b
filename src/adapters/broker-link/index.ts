/** The way to a key broker over HTTPS: TLS 1.3, certificate verified, no redirect, bounded time and size. */
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { BrokerAnswer, BrokerLink } from '../../broker/ports.ts';
import { BrokerError } from '../../core/errors.ts';
import { BROKER_LIMITS } from '../../core/limits/broker.ts';

export interface BrokerLinkOptions {
  /** Origin of the broker: https alone. */
  readonly url: string;
  /** PEM of the authority that the broker's certificate must be under; the system's authorities without it. */
  readonly caPem?: Uint8Array | undefined;
}

/** @throws BrokerError BROKER_UNREACHABLE for an address that is not an https origin */
export function openBrokerLink({ url, caPem }: BrokerLinkOptions): BrokerLink {
  const origin = toOrigin(url);
  const ca = caPem === undefined ? {} : { ca: Buffer.from(caPem) };
  // No connection is kept: a release is three requests, and nothing shall outlive it.
  // rejectUnauthorized is said, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say.
  const tls = { minVersion: 'TLSv1.3', rejectUnauthorized: true, maxCachedSessions: 0 } as const;
  const agent = new Agent({ keepAlive: false, ...tls, ...ca });
  return {
    send: async ({ method, path, headers, body }) => {
      const signal = AbortSignal.timeout(BROKER_LIMITS.requestTimeoutMs);
      try {
        return await exchange(new URL(path, origin), { agent, method, signal, headers }, body);
      } catch (cause) {
        if (cause instanceof BrokerError) throw cause;
        const { code } = cause as { readonly code?: unknown };
        const at = signal.aborted ? 'time' : typeof code === 'string' ? code : 'connection';
        throw new BrokerError('BROKER_UNREACHABLE', { cause, fields: { at } });
      }
    },
  };
}

function toOrigin(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const isOrigin = parsed?.pathname === '/' && parsed.search === '' && parsed.hash === '';
  if (parsed?.protocol === 'https:' && isOrigin && parsed.username === '' && parsed.password === '') return parsed;
  throw new BrokerError('BROKER_UNREACHABLE', { fields: { at: 'address: not https://HOST[:PORT]' } });
}

interface ExchangeOptions {
  readonly agent: Agent;
  readonly method: string;
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
}

function exchange(url: URL, options: ExchangeOptions, body: Uint8Array): Promise<BrokerAnswer> {
  return new Promise((done, fail) => {
    const headers = { ...options.headers, 'content-length': body.length };
    const sent = httpsRequest(url, { ...options, headers, maxHeaderSize: BROKER_LIMITS.headerBytesMax }, (response) => {
      readAnswer(response).then(done, fail);
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<BrokerAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BROKER_LIMITS.answerBytesMax) {
      response.destroy();
      throw new BrokerError('BROKER_UNREACHABLE', { fields: { at: 'size of the answer' } });
    }
    chunks.push(chunk);
  }
  const headers = Object.entries(response.headers).map(([name, value]): [string, string] => [
    name,
    Array.isArray(value) ? value.join(', ') : String(value),
  ]);
  const body = new Uint8Array(Buffer.concat(chunks));
  return { status: response.statusCode ?? 0, headers: Object.fromEntries(headers), body };
}
