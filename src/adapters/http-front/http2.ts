/** HTTP/2 over node:http2, by its streams: nghttp2 keeps to the framing, the front to caps and patience. */
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import type { GatewayAnswer, HeaderList } from '../../gateway/ports.ts';
import type { Connection } from './connection.ts';
import type { FrontCore } from './core.ts';
import { Exchange, type RequestHead } from './exchange.ts';
import { findHttp2Fault } from './framing.ts';
import { joinHeaders, toFlatHeaders, toHeaderObject } from './headers.ts';
import { toRefusal } from './refusals.ts';
import { toHttp2Inlet } from './stream-inlet.ts';
import { writeBody } from './stream-body.ts';
import type { FrontCode, HttpFrontLimits } from './types.ts';

/** Takes over connections that speak HTTP/2. */
export function createHttp2(core: FrontCore): (connection: Connection) => void {
  const options = toSessionOptions(core.limits);
  return (connection) => {
    const session = performServerHandshake(connection.socket, options);
    connection.session = session;
    session.setLocalWindowSize(core.limits.connectionWindowBytes);
    session.on('error', () => undefined);
    // The fourth argument is missing in the types.
    session.on('stream', ((stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      receive(connection, session, { stream, headers, raw });
    }) as () => void);
    const onControl = (): void => {
      connection.controlFrames++;
      if (connection.controlFrames > core.limits.controlFramesMax) connection.cutFlood(session);
    };
    session.on('ping', onControl);
    session.on('remoteSettings', onControl);
  };
}

function toSessionOptions(limits: HttpFrontLimits): ServerOptions {
  return {
    // Of one session in MiB: bodies are taken out of it as they come.
    maxSessionMemory: 4,
    maxOutstandingPings: 4,
    maxSessionInvalidFrames: 16,
    maxSessionRejectedStreams: 16,
    maxSettings: 16,
    settings: {
      enablePush: false,
      maxConcurrentStreams: limits.streamsMax,
      maxHeaderListSize: limits.headerBytesMax,
      initialWindowSize: limits.streamWindowBytes,
      enableConnectProtocol: false,
    },
  };
}

interface Incoming {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Names and values by turns, as they came. */
  readonly raw: readonly string[];
}

function receive(connection: Connection, session: ServerHttp2Session, { stream, headers: all, raw }: Incoming): void {
  stream.on('error', () => undefined);
  if (connection.isFlood) return;
  const headers = joinHeaders(raw);
  const fault = findHttp2Fault(all, headers);
  const method = all[':method'] ?? '';
  headers.host ??= all[':authority'];
  const head: RequestHead = { method, target: all[':path'] ?? '', headers, httpVersion: '2.0' };
  const exchange = new Http2Exchange(connection, head, stream);
  stream.on('close', () => {
    // Asked for, and taken back before it was answered: work for nothing (CVE-2023-44487).
    const isReset = stream.aborted && !exchange.isOver;
    // It may be closed before it says that it is finished: then all was handed over, or its code says otherwise.
    exchange.end(!stream.aborted && stream.writableEnded && stream.rstCode === constants.NGHTTP2_NO_ERROR);
    if (isReset && ++connection.resets > connection.core.limits.resetsMax) connection.cutFlood(session);
  });
  if (fault !== null) {
    exchange.refuse(fault);
    return;
  }
  if (stream.endAfterHeaders) {
    void exchange.work();
    return;
  }
  const { 'content-length': length } = headers;
  const bodyFault = exchange.findBodyFault(length === undefined ? -1 : Number(length));
  if (bodyFault !== null) {
    exchange.refuse(bodyFault);
    return;
  }
  if (headers.expect !== undefined) stream.additionalHeaders({ ':status': 100 });
  read(stream, exchange);
  stream.on('end', () => {
    // Node ends what is read of a stream that was reset, too: then a part would be taken for the whole.
    if (!stream.closed) void exchange.work();
  });
}

/** The body, straight to where the exchange wants it. */
function read(stream: ServerHttp2Stream, exchange: Exchange): void {
  const inlet = toHttp2Inlet(stream);
  if (inlet === null) {
    stream.on('data', (chunk: Buffer) => {
      exchange.take(chunk);
    });
    return;
  }
  inlet.reader = {
    take: (bytes) => {
      exchange.take(bytes, true);
      return true;
    },
    get room() {
      return exchange.room;
    },
  };
}

interface AnswerHead {
  readonly list: HeaderList;
  /** Of the body in bytes; null for one that ends by itself. */
  readonly length: number | null;
  readonly endStream: boolean;
  readonly hasTrailers: boolean;
}

class Http2Exchange extends Exchange {
  readonly #stream: ServerHttp2Stream;

  constructor(connection: Connection, head: RequestHead, stream: ServerHttp2Stream) {
    super(connection, head);
    this.#stream = stream;
  }

  protected override get hasBegun(): boolean {
    return this.#stream.headersSent;
  }

  protected override send({ status, headers, body, trailers }: GatewayAnswer): void {
    const stream = this.#stream;
    const isKnown = body instanceof Uint8Array;
    const hasTrailers = trailers !== undefined;
    const endStream = isKnown && body.length === 0 && !hasTrailers;
    const length = isKnown && !hasTrailers ? body.length : null;
    if (!this.#sendHead(status, { list: headers, length, endStream, hasTrailers }) || this.method === 'HEAD') return;
    if (hasTrailers) {
      stream.on('wantTrailers', () => {
        this.#sendTrailers(trailers);
      });
    }
    if (!isKnown) {
      void this.#sendBody(body);
    } else if (!endStream) {
      this.expectTaken(body.length);
      stream.end(body);
    }
  }

  protected override sendRefusal(code: FrontCode): void {
    const stream = this.#stream;
    this.core.refuse(code);
    const { status, headers, body } = toRefusal(code);
    const head = { list: headers, length: body.length, endStream: false, hasTrailers: false };
    if (!this.#sendHead(status, head)) return;
    const isWhole = stream.readableEnded;
    // RFC 9113, section 8.1: what is left of the request is not wanted, and the answer counts.
    stream.end(this.method === 'HEAD' ? undefined : body, () => {
      if (!isWhole) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  protected override cut(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.end(false);
  }

  /** False when there is nobody to send it to. */
  #sendHead(status: number, { list, length, endStream, hasTrailers }: AnswerHead): boolean {
    if (this.#stream.closed || this.#stream.destroyed) return false;
    const headers = toFlatHeaders(list, this.core.isTls);
    if (length !== null && status !== 204 && status !== 304) headers.push('content-length', String(length));
    this.#stream.respond(
      { ...toHeaderObject(headers), ':status': status },
      { endStream, waitForTrailers: hasTrailers },
    );
    if (this.connection.isLast) this.connection.retire();
    return true;
  }

  #sendTrailers(trailers: () => HeaderList): void {
    try {
      this.#stream.sendTrailers(toHeaderObject(trailers().flat()));
    } catch (error) {
      this.core.onTrouble(error);
      this.cut();
    }
  }

  async #sendBody(body: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      if (!(await writeBody(this, this.#stream, body))) return;
      this.expectTaken(0);
      this.#stream.end();
    } catch (error) {
      this.core.onTrouble(error);
      this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      this.end(false);
    }
  }
}
