/** The way to a witness: TLS 1.3 with a verified certificate, or plain HTTP inside this machine; bounded, no redirect. */
import { Agent as PlainAgent, type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { LedgerError } from '../../core/errors.ts';
import { isLoopbackAddress } from '../../core/loopback.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import type { WitnessLink, WitnessReply } from '../../ledger/ports.ts';

export interface WitnessLinkOptions {
  /** Submission prefix of the witness: https, or http with a loopback address. */
  readonly url: string;
  /** PEM of the authority that the witness's certificate must be under; the system's authorities without it. */
  readonly caPem?: Uint8Array | undefined;
}

/** @throws LedgerError WITNESS_ADDRESS_REFUSED */
export function openWitnessLink({ url, caPem }: WitnessLinkOptions): WitnessLink {
  const target = toTarget(url);
  const ca = caPem === undefined ? {} : { ca: Buffer.from(caPem) };
  // rejectUnauthorized is said, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say.
  const tls = { minVersion: 'TLSv1.3', rejectUnauthorized: true, maxCachedSessions: 0 } as const;
  const agent = target.protocol === 'https:' ? new TlsAgent({ ...tls, ...ca }) : new PlainAgent();
  return {
    addCheckpoint: async (body) => {
      const signal = AbortSignal.timeout(LEDGER_LIMITS.requestTimeoutMs);
      try {
        return await exchange(target, { agent, signal }, body);
      } catch (cause) {
        if (cause instanceof LedgerError) throw cause;
        const { code } = cause as { readonly code?: unknown };
        const at = signal.aborted ? 'time' : typeof code === 'string' ? code : 'connection';
        throw new LedgerError('WITNESS_UNREACHABLE', { cause, fields: { at } });
      }
    },
  };
}

function toTarget(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isSafe =
    url?.protocol === 'https:' ||
    (url?.protocol === 'http:' && isLoopbackAddress(url.hostname.replace(/^\[|\]$/g, '')));
  if (url === null || !isSafe || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new LedgerError('WITNESS_ADDRESS_REFUSED');
  }
  url.pathname = `${url.pathname.replace(/\/$/, '')}/add-checkpoint`;
  return url;
}

function exchange(url: URL, options: RequestOptions, body: Uint8Array): Promise<WitnessReply> {
  return new Promise((done, fail) => {
    const send = url.protocol === 'https:' ? tlsRequest : plainRequest;
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length };
    const bounds = { method: 'POST', maxHeaderSize: LEDGER_LIMITS.headerBytesMax };
    const sent = send(url, { ...options, ...bounds, headers }, (response) => {
      readReply(response).then(done, fail);
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

async function readReply(response: IncomingMessage): Promise<WitnessReply> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LEDGER_LIMITS.witnessAnswerBytesMax) {
      response.destroy();
      throw new LedgerError('WITNESS_UNREACHABLE', { fields: { at: 'size of the answer' } });
    }
    chunks.push(chunk);
  }
  const body = new Uint8Array(Buffer.concat(chunks));
  return { status: response.statusCode ?? 0, contentType: response.headers['content-type'], body };
}
