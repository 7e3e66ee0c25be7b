/** A line of HTTP/2 for gRPC: frames and trailers go through as they are. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { HeaderList, UpstreamAnswer, UpstreamRequest } from '../../gateway/ports.ts';
import { connectUpstream } from './connect.ts';
import { Exchange } from './exchange.ts';
import { isRefused, toMalformed, toUnreachable } from './failures.ts';
import { readHttp2Head, readHttp2Trailers } from './head.ts';
import type { Connections, Line, Shared } from './line.ts';
import type { Origin } from './origin.ts';

/** One connection, and how many requests are on it. */
interface Http2Lane {
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
  requests: number;
  isRetired: boolean;
}

/** One session at a time; those that take no more requests end after those that they have. */
export class Http2Connections implements Connections {
  readonly headers: HeaderList;
  readonly origin: Origin;
  readonly #shared: Shared;
  readonly #open = new Set<Http2Lane>();
  #lane: Http2Lane | null = null;
  #connecting: Promise<Http2Lane> | null = null;
  #isClosed = false;

  constructor(shared: Shared, headers: HeaderList) {
    this.#shared = shared;
    this.origin = shared.origin;
    this.headers = headers;
  }

  /** A session that takes requests: at once where there is one. @throws GatewayError as connectUpstream does */
  take(): Http2Lane | Promise<Http2Lane> {
    if (this.#lane !== null) return this.#lane;
    return (this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null;
    }));
  }

  give(lane: Http2Lane): void {
    lane.requests--;
    if (lane.isRetired && lane.requests === 0) end(lane);
  }

  /** No new requests on this one: the server said so, or does not answer. */
  retire(lane: Http2Lane): void {
    if (this.#lane === lane) this.#lane = null;
    lane.isRetired = true;
    if (lane.requests === 0) end(lane);
  }

  async close(isAtOnce: boolean): Promise<void> {
    this.#isClosed = true;
    await this.#connecting?.catch(() => undefined);
    const left = [...this.#open].map(async (lane) => {
      const closed = new Promise((done) => lane.socket.once('close', done));
      this.retire(lane);
      if (isAtOnce) end(lane);
      await closed;
    });
    await Promise.all(left);
  }

  async #connect(): Promise<Http2Lane> {
    const { core, origin } = this.#shared;
    const socket = await connectUpstream({ ...this.#shared, protocol: 'h2' });
    const session = openSession(origin.text, socket, this.#shared);
    const lane: Http2Lane = { session, socket, requests: 0, isRetired: false };
    const retire = (): void => {
      this.retire(lane);
    };
    this.#open.add(lane);
    core.countConnection(socket);
    session.on('error', retire);
    session.on('goaway', retire);
    session.on('close', retire);
    socket.once('close', () => {
      this.#open.delete(lane);
      retire();
    });
    if (!this.#isClosed) this.#lane = lane;
    return lane;
  }
}

/** Also of the socket: a session that is closed alone waits for a server that may never close its end. */
function end({ session, socket }: Http2Lane): void {
  session.destroy();
  socket.destroy();
}

function openSession(origin: string, socket: Socket, { limits }: Shared): ClientHttp2Session {
  const session = connect(origin, {
    createConnection: () => socket,
    maxHeaderListPairs: limits.headersMax,
    settings: {
      enablePush: false,
      maxHeaderListSize: limits.headerBytesMax,
      initialWindowSize: limits.streamWindowBytes,
    },
  });
  session.once('connect', () => {
    session.setLocalWindowSize(limits.connectionWindowBytes);
  });
  // An idle session keeps no process alive.
  session.unref();
  return session;
}

export class Http2Exchange extends Exchange {
  readonly #line: Line<Http2Connections>;
  #connections: Http2Connections | null = null;
  #lane: Http2Lane | null = null;
  #stream: ClientHttp2Stream | null = null;
  #trailers: HeaderList = [];

  constructor(
    line: Line<Http2Connections>,
    request: UpstreamRequest,
    done: (answer: UpstreamAnswer) => void,
    failed: (error: unknown) => void,
  ) {
    super(line.core, request, done, failed);
    this.#line = line;
  }

  protected override get trailers(): () => HeaderList {
    return () => this.#trailers;
  }

  protected override get isRequestSent(): boolean {
    return this.#stream!.writableFinished;
  }

  protected override get isLent(): boolean {
    return false;
  }

  protected override start(): void {
    const connections = this.#line.current;
    const taken = connections.take();
    if (!(taken instanceof Promise)) {
      this.#sendOn(connections, taken);
      return;
    }
    taken.then(
      (lane) => {
        this.#sendOn(connections, lane);
      },
      (error: unknown) => {
        if (isRefused(error)) this.tryAgain(error);
        else this.fail(error);
      },
    );
  }

  protected override cancel(): void {
    const stream = this.#stream;
    if (stream === null || stream.destroyed) return;
    stream.close(constants.NGHTTP2_CANCEL);
  }

  protected override leave(): void {
    const lane = this.#lane;
    this.#lane = null;
    if (lane !== null) this.#connections!.give(lane);
  }

  protected override resume(): void {
    this.#stream?.resume();
  }

  override expire(): void {
    // A network that swallows everything looks like this: the next request goes over a connection of its own.
    if (this.#lane !== null) this.#connections!.retire(this.#lane);
    super.expire();
  }

  #sendOn(connections: Http2Connections, lane: Http2Lane): void {
    if (this.isOver) return;
    const { session } = lane;
    if (session.destroyed || session.closed) {
      this.tryAgain(toUnreachable('reset'));
      return;
    }
    const { body } = this.request;
    lane.requests++;
    this.#connections = connections;
    this.#lane = lane;
    this.hasBegun();
    const stream = session.request(this.#toFields(connections), { endStream: body.length === 0 });
    this.#stream = stream;
    this.#listen(stream);
    if (body.length > 0) stream.end(body);
  }

  #toFields({ origin, headers }: Http2Connections): Record<string, string> {
    const { method, path } = this.request;
    const fields: Record<string, string> = {
      ':method': method,
      ':path': origin.basePath + path,
      ':scheme': origin.isTls ? 'https' : 'http',
      ':authority': origin.authority,
    };
    for (const [name, value] of this.request.headers) fields[name] = value;
    for (const [name, value] of headers) fields[name] = value;
    return fields;
  }

  #listen(stream: ClientHttp2Stream): void {
    let hasHead = false;
    stream.on('response', (fields) => {
      if (this.isOver) return;
      hasHead = true;
      const head = readHttp2Head(fields);
      if (typeof head === 'string') this.fail(toMalformed(head));
      else this.takeHead(head);
    });
    stream.on('trailers', (fields: IncomingHttpHeaders) => {
      const trailers = readHttp2Trailers(fields);
      if (trailers === null) this.fail(toMalformed('head'));
      else this.#trailers = trailers;
    });
    stream.on('data', (chunk: Buffer) => {
      if (!this.takeData(chunk)) stream.pause();
    });
    stream.on('end', () => {
      // Node ends the readable half of a stream that was reset, too: whether it was whole is known when it closes.
      if (!hasHead && stream.rstCode === constants.NGHTTP2_NO_ERROR) this.fail(toMalformed('head'));
    });
    stream.on('error', () => undefined);
    stream.on('close', () => {
      this.#onClose(stream.rstCode, hasHead);
    });
  }

  /** RFC 9113, section 8.7: a stream that was refused was not looked at, and may be sent again. */
  #onClose(code: number, hasHead: boolean): void {
    if (this.isOver) return;
    if (code === constants.NGHTTP2_NO_ERROR && hasHead) this.takeEnd();
    else if (code === constants.NGHTTP2_REFUSED_STREAM && !hasHead) this.tryAgain(toUnreachable('refused'));
    else this.fail(hasHead ? toMalformed('cut') : toUnreachable('reset'));
  }
}
