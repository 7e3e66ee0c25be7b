/** The way to those who hand out collateral: HTTPS, certificate verified, no redirect, bounded time and size. */
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { CollateralAnswer, CollateralLink } from '../../attest/ports.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';

export interface CollateralLinkOptions {
  /** A service that keeps copies, https, a path before its own allowed; null for the vendors themselves. */
  readonly from: string | null;
  /** PEM of the authority that its certificate must be under; the system's authorities without it. */
  readonly caPem?: Uint8Array | undefined;
  /** How long one answer may take. */
  readonly timeoutMs?: number;
}

/** @throws AttestError ATTEST_SERVICE_UNAVAILABLE for an address that is not https://HOST[:PORT][/PATH] */
export function openCollateralLink(options: CollateralLinkOptions): CollateralLink {
  const { from, caPem, timeoutMs = ATTEST_LIMITS.serviceTimeoutMs } = options;
  const base = from === null ? null : toBase(from);
  const ca = caPem === undefined ? {} : { ca: Buffer.from(caPem) };
  // rejectUnauthorized is said, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say.
  const agent = new Agent({ keepAlive: false, minVersion: 'TLSv1.2', rejectUnauthorized: true, ...ca });
  return {
    get: async ({ address, cachePath }) => {
      const url = new URL(base === null ? address : `${base}${cachePath}`);
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        return await exchange(url, { agent, signal });
      } catch (cause) {
        if (cause instanceof AttestError) throw cause;
        throw toFailure(cause, url.host, signal.aborted);
      }
    },
  };
}

function toBase(from: string): string {
  const url = URL.canParse(from) ? new URL(from) : null;
  const isBare = url?.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if (url?.protocol === 'https:' && isBare) return url.href.replace(/\/+$/, '');
  throw new AttestError('ATTEST_SERVICE_UNAVAILABLE', { fields: { at: 'address: not https://HOST[:PORT][/PATH]' } });
}

function toFailure(cause: unknown, host: string, isLate: boolean): AttestError {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unknown';
  if (code.startsWith('HPE_'))
    return new AttestError('ATTEST_SERVICE_MALFORMED', { fields: { host, at: code }, cause });
  return new AttestError('ATTEST_SERVICE_UNAVAILABLE', { fields: { host, at: isLate ? 'time' : code }, cause });
}

function exchange(url: URL, options: { agent: Agent; signal: AbortSignal }): Promise<CollateralAnswer | null> {
  return new Promise((done, fail) => {
    const headers = { accept: '*/*', 'accept-encoding': 'identity' };
    const maxHeaderSize = ATTEST_LIMITS.serviceHeaderBytesMax;
    const sent = httpsRequest(url, { ...options, headers, maxHeaderSize }, (response) => {
      readAnswer(response, url.host).then(done, fail);
    });
    sent.on('error', fail);
    sent.end();
  });
}

async function readAnswer(response: IncomingMessage, host: string): Promise<CollateralAnswer | null> {
  const { statusCode: status = 0 } = response;
  if (status !== 200) {
    response.destroy();
    if (status === 404) return null;
    throw toRefusal(response, host, status);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > ATTEST_LIMITS.serviceAnswerBytesMax) {
      response.destroy();
      throw new AttestError('ATTEST_SERVICE_MALFORMED', { fields: { host, at: 'size' } });
    }
    chunks.push(chunk);
  }
  if (!response.complete)
    throw new AttestError('ATTEST_SERVICE_UNAVAILABLE', { fields: { host, at: 'answer cut off' } });
  const headers = Object.entries(response.headers).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' ? [[name, value]] : [],
  );
  return { headers: Object.fromEntries(headers), body: new Uint8Array(Buffer.concat(chunks)) };
}

/** 429 and 5xx pass; redirects and all else do not. */
function toRefusal({ headers }: IncomingMessage, host: string, status: number): AttestError {
  if (status !== 429 && status < 500) return new AttestError('ATTEST_SERVICE_MALFORMED', { fields: { host, status } });
  const seconds = headers['retry-after'] ?? '';
  const retryAfterMs = /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : null;
  return new AttestError('ATTEST_SERVICE_UNAVAILABLE', { fields: { host, status, retryAfterMs } });
}
