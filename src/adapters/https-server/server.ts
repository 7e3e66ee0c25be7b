/**
 * HTTPS over TLS 1.3 alone, or plain HTTP inside this machine: caps on time, size and connections; everything else is the
 * handler's.
 */
import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { BrokerError } from '../../core/errors.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../core/http-handler.ts';
import { readBody } from './body.ts';
import { isLoopbackAddress } from '../../core/loopback.ts';
import { limitPipelines } from './pipelines.ts';
import { limitPeers } from './shares.ts';

export interface HttpsServerLimits {
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  /** Of all peers; one peer (IPv6: one /64) may hold a quarter of them. */
  readonly connectionsMax: number;
  /** For the handshake, and after it for the headers. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** What a server needs besides the files of TLS. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly limits: HttpsServerLimits;
  readonly handler: HttpHandler;
  /** Told of errors of the handler and of nothing that a client can cause. */
  readonly onTrouble: (error: unknown) => void;
}

export interface HttpsServerOptions extends HttpServerOptions {
  /** PEM, server certificate first. */
  readonly certificatePem: Uint8Array;
  /** PEM, not encrypted. */
  readonly privateKeyPem: Uint8Array;
}

export interface HttpsServer {
  readonly port: number;
  /** Takes no more connections, lets running answers end, and closes what is idle. */
  close(): Promise<void>;
}

/** @throws BrokerError SERVER_TLS_FILE | SERVER_LISTEN_FAILED */
export async function openHttpsServer(options: HttpsServerOptions): Promise<HttpsServer> {
  return open(createTlsServer(options), options);
}

/**
 * Without TLS, for a proxy on the same machine that has it.
 * @param options.host loopback address, not a name
 * @throws BrokerError SERVER_NOT_LOOPBACK | SERVER_LISTEN_FAILED
 */
export async function openLoopbackServer(options: HttpServerOptions): Promise<HttpsServer> {
  const { host, limits } = options;
  if (!isLoopbackAddress(host)) throw new BrokerError('SERVER_NOT_LOOPBACK', { fields: { host } });
  const connectionsCheckingInterval = limits.headersTimeoutMs;
  const settings = { connectionsCheckingInterval, maxHeaderSize: limits.headerBytesMax, requireHostHeader: true };
  return open(createPlainServer(settings), options);
}

async function open(server: Server, options: HttpServerOptions): Promise<HttpsServer> {
  bound(server, options);
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((done) => {
        server.close(() => {
          done();
        });
        server.closeIdleConnections();
        // A client that reads slowly must not keep the process alive.
        setTimeout(() => {
          server.closeAllConnections();
        }, options.limits.idleTimeoutMs).unref();
      }),
  };
}

function createTlsServer({ certificatePem, privateKeyPem, limits }: HttpsServerOptions): Server {
  try {
    return createServer({
      cert: Buffer.from(certificatePem),
      key: Buffer.from(privateKeyPem),
      minVersion: 'TLSv1.3',
      // Node's own are 120 s for a handshake, and a look at the other times every 30 s.
      handshakeTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: limits.headersTimeoutMs,
      maxHeaderSize: limits.headerBytesMax,
      requireHostHeader: true,
    });
  } catch {
    // OpenSSL's message may quote the file.
    throw new BrokerError('SERVER_TLS_FILE');
  }
}

/** The same caps with and without TLS. */
function bound(server: Server, options: HttpServerOptions): void {
  const { limits } = options;
  server.maxConnections = limits.connectionsMax;
  server.headersTimeout = limits.headersTimeoutMs;
  server.requestTimeout = limits.requestTimeoutMs;
  server.keepAliveTimeout = limits.idleTimeoutMs;
  server.on('connection', limitPeers(limits.connectionsMax));
  const enter = limitPipelines();
  server.on('request', (request, response) => {
    if (enter(request.socket, response)) void answer(options, request, response);
  });
}

function listen(server: Server, { host, port }: HttpServerOptions): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', (cause) => {
      fail(new BrokerError('SERVER_LISTEN_FAILED', { cause, fields: { host, port } }));
    });
    server.listen(port, host, done);
  });
}

async function answer(options: HttpServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const body = await readBody(request, options.limits.bodyBytesMax);
    if (body === null) {
      response.setHeader('connection', 'close');
      send(response, { status: 413, headers: {}, body: new Uint8Array() });
      return;
    }
    send(response, await options.handler(toRequest(request, body)));
  } catch (error) {
    if (request.destroyed && !request.complete) return;
    options.onTrouble(error);
    if (response.headersSent) response.destroy();
    else send(response, { status: 500, headers: {}, body: new Uint8Array() });
  }
}

function toRequest(request: IncomingMessage, body: Uint8Array): HttpRequest {
  const target = request.url ?? '';
  const mark = target.indexOf('?');
  const headers = Object.entries(request.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : value,
  ]);
  return {
    method: request.method ?? '',
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? '' : target.slice(mark + 1),
    headers: Object.fromEntries(headers) as HttpRequest['headers'],
    body,
    remoteAddress: request.socket.remoteAddress ?? '',
  };
}

function send(response: ServerResponse, { status, headers, body }: HttpResponse): void {
  response.writeHead(status, {
    'strict-transport-security': 'max-age=31536000',
    'x-content-type-options': 'nosniff',
    ...headers,
    'content-length': body.length,
  });
  response.end(body);
}
