/** The way to a collector of telemetry: OTLP over HTTP, in JSON. */
import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { GatewayError } from '../../core/errors.ts';
import { TELEMETRY_LIMITS } from '../../core/limits/metrics.ts';
import type { TelemetryLink } from '../../gateway/ports.ts';

export interface TelemetryLinkOptions {
  /** As `OTEL_EXPORTER_OTLP_ENDPOINT`: without `/v1/metrics`. */
  readonly url: string;
  /** Sent with each message: keys of collectors. Never told, nor in an error. */
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM of the authority of the collector; the system's authorities without it. */
  readonly caPath?: string;
  readonly timeoutMs?: number;
}

const AGAIN = [408, 429, 502, 503, 504];

/** @throws GatewayError TELEMETRY_URL_MALFORMED; what reading the authority throws */
export function openTelemetryLink(options: TelemetryLinkOptions): TelemetryLink {
  const base = readAddress(options.url);
  const { timeoutMs = TELEMETRY_LIMITS.timeoutMs, headers = {}, caPath } = options;
  const ca = caPath === undefined ? undefined : readFileSync(caPath);
  return {
    send: async (signal, body) => {
      const deadline = AbortSignal.timeout(timeoutMs);
      try {
        const status = await post({ url: new URL(`v1/${signal}`, base), headers, ca, body, signal: deadline });
        if (AGAIN.includes(status)) throw new GatewayError('TELEMETRY_UNAVAILABLE', { fields: { status } });
        if (status < 200 || status > 299) throw new GatewayError('TELEMETRY_REFUSED', { fields: { status } });
      } catch (cause) {
        if (cause instanceof GatewayError) throw cause;
        throw new GatewayError('TELEMETRY_UNAVAILABLE', { fields: { reason: toReason(cause, deadline) }, cause });
      }
    },
  };
}

/** A base that other paths are put behind. @throws GatewayError TELEMETRY_URL_MALFORMED */
function readAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isHere = url !== null && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isHere);
  if (url === null || !isSafe || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new GatewayError('TELEMETRY_URL_MALFORMED');
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

function toReason(cause: unknown, deadline: AbortSignal): string {
  if (deadline.aborted) return 'TIMEOUT';
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'UNKNOWN';
}

interface Message {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly ca: Buffer | undefined;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** Status of the answer; its body is thrown away, and a redirect is not followed. */
function post({ url, headers, ca, body, signal }: Message): Promise<number> {
  return new Promise((done, fail) => {
    const own = { 'content-type': 'application/json', 'content-length': String(body.length) };
    const common = { method: 'POST', headers: { ...headers, ...own }, signal, agent: false as const };
    const onAnswer = (answer: IncomingMessage): void => {
      readAway(answer, fail, () => {
        done(answer.statusCode ?? 0);
      });
    };
    // rejectUnauthorized is said, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say.
    const tls = {
      ...common,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2' as const,
      ...(ca !== undefined && { ca }),
    };
    const sent = url.protocol === 'https:' ? httpsRequest(url, tls, onAnswer) : httpRequest(url, common, onAnswer);
    sent.on('error', fail);
    sent.end(body);
  });
}

function readAway(answer: IncomingMessage, fail: (error: Error) => void, done: () => void): void {
  let bytes = 0;
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > TELEMETRY_LIMITS.answerBytesMax) answer.destroy(new GatewayError('TELEMETRY_UNAVAILABLE'));
  });
  answer.on('error', fail);
  answer.on('end', done);
}
