/** HTTP/1.1 and 1.0 over node:http: its parser in strict mode, its own timers off. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { toLatin1 } from '../../core/bytes.ts';
import type { GatewayAnswer, HeaderList } from '../../gateway/ports.ts';
import type { Connection } from './connection.ts';
import type { FrontCore } from './core.ts';
import { Exchange, type RequestHead } from './exchange.ts';
import { findHttp1Fault } from './framing.ts';
import { toFlatHeaders } from './headers.ts';
import type { Inlet } from './inlet.ts';
import { PlainLane } from './plain-lane.ts';
import { toRefusal } from './refusals.ts';
import { writeBody } from './stream-body.ts';
import type { FrontCode } from './types.ts';

/** Takes over connections that speak HTTP/1.x. */
export function createHttp1(core: FrontCore): (connection: Connection, inlet: Inlet | null) => void {
  const connections = new WeakMap<Duplex, Connection>();
  const server = createServer({
    maxHeaderSize: core.limits.headerBytesMax,
    insecureHTTPParser: false,
    // Two Host headers become one that is no authority; findHttp1Fault refuses it, and a missing one.
    joinDuplicateHeaders: true,
    requireHostHeader: false,
  });
  // Patience is watched over by the core, for all connections at once.
  server.timeout = 0;
  server.keepAliveTimeout = 0;
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = connections.get(request.socket);
    if (connection !== undefined) receive(connection, request, response);
  };
  server.on('request', onRequest);
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', (request: IncomingMessage) => {
    connections.get(request.socket)?.refuseByHand('GATEWAY_FRAMING', null);
  });
  server.on('connect', (_request, socket) => {
    connections.get(socket)?.refuseByHand('GATEWAY_FRAMING', null);
  });
  server.on('clientError', (error, socket) => {
    connections.get(socket)?.refuseBytes((error as NodeJS.ErrnoException).code);
  });
  const handOver = (connection: Connection): void => {
    connections.set(connection.socket, connection);
    server.emit('connection', connection.socket);
  };
  return (connection, inlet) => {
    new PlainLane(connection, inlet, handOver);
  };
}

function receive(connection: Connection, request: IncomingMessage, response: ServerResponse): void {
  // Sent before the client saw that this connection has ended: no answer would reach it, so that it is not taken.
  if (connection.isOver || !connection.socket.writable) return;
  const { headers, httpVersion, method = '', url: target = '' } = request;
  const fault =
    connection.exchanges.length >= connection.core.limits.pipelinedMax
      ? 'GATEWAY_OVERLOADED'
      : findHttp1Fault(httpVersion, method, target, headers);
  if (fault !== null) {
    connection.refuseByHand(fault, null, method === 'HEAD');
    return;
  }
  const length = headers['content-length'];
  // Joined strings alone are left: set-cookie, which comes as a list, is no header of requests.
  const head: RequestHead = { method, target, headers: headers as RequestHead['headers'], httpVersion: '1.1' };
  const exchange = new Http1Exchange(connection, head, request, response);
  if (length === undefined && headers['transfer-encoding'] === undefined) {
    void exchange.work();
    return;
  }
  const bodyFault = exchange.findBodyFault(length === undefined ? -1 : Number(length));
  if (bodyFault !== null) {
    exchange.refuse(bodyFault);
    return;
  }
  if (headers.expect !== undefined) response.writeContinue();
  request.on('data', (chunk: Buffer) => {
    exchange.take(chunk);
  });
  request.on('end', () => {
    void exchange.work();
  });
}

class Http1Exchange extends Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(connection: Connection, head: RequestHead, request: IncomingMessage, response: ServerResponse) {
    super(connection, head);
    this.#request = request;
    this.#response = response;
  }

  protected override get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  protected override send(answer: GatewayAnswer): void {
    const response = this.#response;
    const { status, body, trailers } = answer;
    if (body instanceof Uint8Array && trailers === undefined) {
      this.expectTaken(body.length);
      response.writeHead(status, this.#toHead(answer.headers, isBodiless(status) ? null : body.length));
      if (body.length <= TEXT_BYTES_MAX) response.end(toLatin1(body), 'latin1', this.#onSent);
      else response.end(body, this.#onSent);
      return;
    }
    response.writeHead(status, this.#toHead(answer.headers, null));
    void this.#stream(body, trailers);
  }

  protected override sendRefusal(code: FrontCode): void {
    if (!this.#request.complete) {
      this.connection.refuseByHand(code, this, this.method === 'HEAD');
      this.end(false);
      return;
    }
    this.core.refuse(code);
    const { status, headers, body } = toRefusal(code);
    this.#response.writeHead(status, this.#toHead(headers, body.length));
    this.#response.end(body, this.#onSent);
  }

  protected override cut(): void {
    this.connection.cut();
  }

  readonly #onSent = (): void => {
    // Node says "finish" also of what it could not write since the socket was destroyed.
    this.end(!this.#request.socket.destroyed);
  };

  async #stream(body: GatewayAnswer['body'], trailers: GatewayAnswer['trailers']): Promise<void> {
    const response = this.#response;
    try {
      if (body instanceof Uint8Array) {
        this.expectTaken(body.length);
        response.write(body);
      } else {
        response.flushHeaders();
        if (!(await writeBody(this, response, body))) return;
      }
      this.expectTaken(0);
      if (trailers !== undefined)
        response.addTrailers(trailers().map(([name, value]): [string, string] => [name, value]));
      response.end(this.#onSent);
    } catch (error) {
      // The status was sent: what is left is an answer without an end, which no client takes for whole.
      this.core.onTrouble(error);
      this.cut();
    }
  }

  /** @param length of the body in bytes; null for one that ends by itself */
  #toHead(list: HeaderList, length: number | null): string[] {
    const headers = toFlatHeaders(list, this.core.isTls);
    if (length !== null) headers.push('content-length', String(length));
    if (this.connection.isLast) headers.push('connection', 'close');
    return headers;
  }
}

/** One text of head and body is one write, and takes a microsecond less than two buffers; longer ones are not worth the copy. */
const TEXT_BYTES_MAX = 4096;

/** RFC 9112, section 6.3: these have no body, nor a length of one. */
function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}
