/** HTTPS over TLS 1.3 alone: caps on time, size and connections; everything else is the handler's. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { BrokerError } from '../../core/errors.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../core/http-handler.ts';
import { readBody } from './body.ts';
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

export interface HttpsServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** PEM, server certificate first. */
  readonly certificatePem: Uint8Array;
  /** PEM, not encrypted. */
  readonly privateKeyPem: Uint8Array;
  readonly limits: HttpsServerLimits;
  readonly handler: HttpHandler;
  /** Told of errors of the handler and of nothing that a client can cause. */
  readonly onTrouble: (error: unknown) => void;
}

export interface HttpsServer {
  readonly port: number;
  /** Takes no more connections, lets running answers end, and closes what is idle. */
  close(): Promise<void>;
}

/** @throws BrokerError SERVER_TLS_FILE | SERVER_LISTEN_FAILED */
export async function openHttpsServer(options: HttpsServerOptions): Promise<HttpsServer> {
  const server = createTlsServer(options);
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

function createTlsServer(options: HttpsServerOptions): Server {
  const { certificatePem, privateKeyPem, limits } = options;
  let server: Server;
  try {
    server = createServer({
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
  server.maxConnections = limits.connectionsMax;
  server.headersTimeout = limits.headersTimeoutMs;
  server.requestTimeout = limits.requestTimeoutMs;
  server.keepAliveTimeout = limits.idleTimeoutMs;
  server.on('connection', limitPeers(limits.connectionsMax));
  server.on('request', (request, response) => {
    void answer(options, request, response);
  });
  return server;
}

function listen(server: Server, { host, port }: HttpsServerOptions): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', (cause) => {
      fail(new BrokerError('SERVER_LISTEN_FAILED', { cause, fields: { host, port } }));
    });
    server.listen(port, host, done);
  });
}

async function answer(options: HttpsServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
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
