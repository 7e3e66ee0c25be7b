/** A line of HTTP/1.1 over a pool of undici: no stream of Node or the web stands between the socket and the answer. */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { Client, Dispatcher } from 'undici';
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { HeaderList, UpstreamAnswer, UpstreamRequest } from '../../gateway/ports.ts';
import { connectUpstream } from './connect.ts';
import { Exchange } from './exchange.ts';
import { isRefused, toMalformed } from './failures.ts';
import { readHttp1Head } from './head.ts';
import type { Connections, Line, Shared } from './line.ts';

/** The client alone takes a quarter of the time and memory that the whole package does; the version is pinned. */
const loadClient = (): typeof Client =>
  createRequire(import.meta.url)('undici/lib/dispatcher/client.js') as typeof Client;

/** One connection at a time. */
interface Lane {
  readonly client: Client;
  /** The newest connection; null before the first. */
  socket: Socket | null;
}

/**
 * Connections of HTTP/1.1: one for each seat that is taken, the one that was used last first.
 *
 * Not undici's own pool: that opens a second connection for a request which follows at once, and a new one for nothing
 * whenever a request is aborted.
 */
export class Http1Connections implements Connections {
  readonly basePath: string;
  /** Sent with each request; names and values by turns. */
  readonly headers: readonly string[];
  readonly #shared: Shared;
  readonly #Client = loadClient();
  readonly #lanes: Lane[] = [];
  readonly #free: Lane[] = [];

  constructor(shared: Shared, headers: readonly string[]) {
    this.#shared = shared;
    this.basePath = shared.origin.basePath;
    this.headers = headers;
  }

  take(): Lane {
    return this.#free.pop() ?? this.#open();
  }

  give(lane: Lane): void {
    this.#free.push(lane);
  }

  async close(isAtOnce: boolean): Promise<void> {
    await Promise.all(this.#lanes.map(({ client }) => (isAtOnce ? client.destroy() : client.close())));
  }

  #open(): Lane {
    const { origin, limits } = this.#shared;
    const client = new this.#Client(origin.text, {
      pipelining: 1,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      keepAliveMaxTimeout: limits.keepAliveTimeoutMs,
      maxHeaderSize: limits.headerBytesMax,
      // Patience is watched over by the core, for all requests at once.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (_given, callback) => {
        this.#connect(lane).then(
          (socket) => {
            callback(null, socket);
          },
          (error: unknown) => {
            callback(error as Error, null);
          },
        );
      },
    });
    const lane: Lane = { client, socket: null };
    this.#lanes.push(lane);
    return lane;
  }

  async #connect(lane: Lane): Promise<Socket> {
    const socket = await connectUpstream({ ...this.#shared, protocol: 'http/1.1' });
    this.#shared.core.countConnection(socket);
    lane.socket = socket;
    return socket;
  }
}

/** Thrown at undici for requests that are over before their turn: it drops them, and keeps the connection. */
const OVER = new Error('over');

export class Http1Exchange extends Exchange implements Dispatcher.DispatchHandler {
  readonly #line: Line<Http1Connections>;
  #connections: Http1Connections | null = null;
  #lane: Lane | null = null;
  #hasBegun = false;
  #resume: (() => void) | null = null;
  #informational = 0;

  constructor(
    line: Line<Http1Connections>,
    request: UpstreamRequest,
    done: (answer: UpstreamAnswer) => void,
    failed: (error: unknown) => void,
  ) {
    super(line.core, request, done, failed);
    this.#line = line;
  }

  protected override get trailers(): undefined {
    return undefined;
  }

  protected override start(): void {
    const connections = this.#line.current;
    const { basePath, headers } = connections;
    const { method, path, body } = this.request;
    this.#lane = connections.take();
    this.#connections = connections;
    this.#lane.client.dispatch(
      {
        method,
        path: basePath === '' ? path : basePath + path,
        headers: toFlat(this.request.headers, headers),
        body: body.length === 0 ? null : body,
        // Nothing is sent twice, and nothing behind another request of the same connection.
        idempotent: false,
        blocking: false,
      },
      this,
    );
  }

  protected override leave(): void {
    const lane = this.#lane;
    this.#lane = null;
    if (lane !== null) this.#connections!.give(lane);
  }

  protected override cancel(): void {
    // Not by undici's own way to abort: it would connect anew, to find that there is nothing to be sent.
    if (this.#hasBegun) this.#lane!.socket!.destroy(OVER);
  }

  protected override resume(): void {
    this.#resume?.();
  }

  onConnect(): void {
    if (this.isOver) throw OVER;
    this.#hasBegun = true;
    this.hasBegun();
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (this.isOver) return false;
    if (status < 200) {
      this.#informational++;
      if (this.#informational > UPSTREAM_LIMITS.informationalMax) this.fail(toMalformed('head'));
      return true;
    }
    this.#resume = resume;
    const head = readHttp1Head(status, raw);
    if (typeof head === 'string') this.fail(toMalformed(head));
    else this.takeHead(head);
    return true;
  }

  onData(chunk: Buffer): boolean {
    return this.takeData(chunk);
  }

  onComplete(): void {
    this.takeEnd();
  }

  /** The client counts on nothing being asked of it while it tells: who waits for the connection is served right after. */
  onError(error: Error): void {
    queueMicrotask(() => {
      this.#onFailure(error);
    });
  }

  #onFailure(error: Error): void {
    if (this.isOver) return;
    if (!this.#hasBegun && isRefused(error)) this.tryAgain(error);
    else this.fail(error);
  }
}

function toFlat(list: HeaderList, own: readonly string[]): string[] {
  const flat: string[] = [];
  for (const [name, value] of list) flat.push(name, value);
  for (const text of own) flat.push(text);
  return flat;
}
