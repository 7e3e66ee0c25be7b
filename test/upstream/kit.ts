/** Servers on loopback that answer exactly the bytes they are given, and lines to them. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { type OpenedUpstream, openHttpUpstream, type UpstreamOptions } from '../../src/adapters/upstream/index.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../../src/gateway/ports.ts';

/** What to do with a connection that has sent the whole head of a request, and so much of its body. */
export type Fault = (socket: Socket, request: string) => void;

export interface FaultServer {
  readonly port: number;
  readonly url: string;
  /** Heads and bodies of requests as they came, Latin-1. */
  readonly requests: string[];
  /** Connections that are open now. */
  readonly open: ReadonlySet<Socket>;
  /** Settles when no connection is open. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** One request at a time on each connection; `fault` is called when the body that was announced is there. */
export async function openFaultServer(fault: Fault, port = 0): Promise<FaultServer> {
  const open = new Set<Socket>();
  const requests: string[] = [];
  const whenIdle = new Set<() => void>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/.exec(text)?.[1] ?? 0);
      if (text.length < end + 4 + length) return;
      const request = text;
      text = '';
      requests.push(request);
      fault(socket, request);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      open.delete(socket);
      if (open.size === 0) for (const done of whenIdle) done();
    });
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const actual = (server.address() as AddressInfo).port;
  return {
    port: actual,
    url: `http://127.0.0.1:${actual}`,
    requests,
    open,
    idle: () => (open.size === 0 ? Promise.resolve() : new Promise((done) => whenIdle.add(done))),
    close: () => {
      for (const socket of open) socket.destroy();
      return new Promise((done) => {
        server.close(() => {
          done();
        });
      });
    },
  };
}

/** Servers and lines that end with the test. */
export function useLines() {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    await Promise.all(ends.splice(0).map((end) => end()));
  });
  const line = async (url: string, options: Partial<UpstreamOptions> = {}): Promise<OpenedUpstream> => {
    const opened = await openHttpUpstream({ name: 'behind', url, onTrouble: () => undefined, ...options });
    ends.push(() => opened.close());
    return opened;
  };
  const server = async (fault: Fault): Promise<FaultServer> => {
    const opened = await openFaultServer(fault);
    ends.push(() => opened.close());
    return opened;
  };
  return {
    ends,
    line,
    server,
    /** A server that answers so, and a line to it. */
    behind: async (fault: Fault, options: Partial<UpstreamOptions> = {}) => {
      const faulty = await server(fault);
      return { server: faulty, upstream: await line(faulty.url, options) };
    },
  };
}

export function toUpstreamRequest(changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    method: 'POST',
    path: '/v2/models/m/infer',
    headers: [['content-type', 'application/json']],
    body: Buffer.from('{"inputs":[]}'),
    isStreamed: false,
    signal: new AbortController().signal,
    ...changes,
  };
}

export interface Failed {
  readonly code: string;
  readonly fields: GatewayError['fields'];
}

/** The code of what `pending` fails with; anything else goes through. */
export async function failureOf(pending: Promise<unknown>): Promise<Failed> {
  try {
    const value = await pending;
    throw new Error(`no failure: ${JSON.stringify(value)}`);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { code: error.code, fields: error.fields };
  }
}

/** An answer of HTTP/1.1 with a length. */
export function toHttp(body: string, headers = '', status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;
}

/** The collected body of an answer. */
export function textOf({ body }: UpstreamAnswer): string {
  if (!(body instanceof Uint8Array)) throw new Error('the answer is a stream');
  return Buffer.from(body).toString('latin1');
}

export function streamOf({ body }: UpstreamAnswer): AsyncIterator<Uint8Array> {
  if (body instanceof Uint8Array) throw new Error('the answer is no stream');
  return body[Symbol.asyncIterator]();
}
