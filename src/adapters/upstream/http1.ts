/** A line of HTTP/1.1: no stream of Node or the web stands between the socket and the answer. */
import type { Socket } from 'node:net';
import { toLatin1 } from '../../core/bytes.ts';
import type { HeaderList, UpstreamAnswer, UpstreamRequest } from '../../gateway/ports.ts';
import { connectUpstream } from './connect.ts';
import { Exchange } from './exchange.ts';
import { isRefused } from './failures.ts';
import type { Http1Head } from './head.ts';
import { type Carried, Lane } from './lane.ts';
import type { Connections, Line, Shared } from './line.ts';

/** A server that closes a connection may do so while a request is on its way to it. */
const KEEP_ALIVE_MARGIN_MS = 1000;

/** Connections of HTTP/1.1: one for each seat that is taken, the one that was used last first. */
export class Http1Connections implements Connections {
  /** Of each head, between its path and its own headers, and after these. */
  readonly begin: string;
  readonly end: string;
  readonly basePath: string;
  readonly #shared: Shared;
  readonly #lanes = new Set<Lane>();
  /** The one that was used last is the last; those of this turn of the event loop are the first. */
  readonly #free: Lane[] = [];
  readonly #settling: Lane[] = [];
  #isClosing = false;
  #whenEmpty: (() => void) | null = null;
  readonly #round = (): void => {
    this.#endIdle();
  };
  readonly #settle = (): void => {
    for (const lane of this.#settling.splice(0)) {
      const at = this.#free.indexOf(lane);
      if (at >= 0) this.#free.push(...this.#free.splice(at, 1));
      lane.settle();
    }
  };

  constructor(shared: Shared, headers: HeaderList) {
    this.#shared = shared;
    this.basePath = shared.origin.basePath;
    this.begin = ` HTTP/1.1\r\nhost: ${shared.origin.authority}\r\nconnection: keep-alive\r\n`;
    this.end = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    shared.core.rounds.add(this.#round);
  }

  take(): Lane {
    const { nowMs } = this.#shared.core;
    for (let lane = this.#free.pop(); lane !== undefined; lane = this.#free.pop()) {
      if (lane.isFree && nowMs < lane.freeUntilMs) return lane;
      lane.end();
    }
    return this.#open();
  }

  give(lane: Lane): void {
    const { core, limits } = this.#shared;
    lane.release();
    const keepMs = Math.min(limits.keepAliveTimeoutMs, lane.keepAliveMs - KEEP_ALIVE_MARGIN_MS);
    if (this.#isClosing || !lane.isFree || keepMs <= 0) {
      lane.end();
      return;
    }
    lane.freeUntilMs = core.nowMs + keepMs;
    this.#free.unshift(lane);
    if (this.#settling.length === 0) setImmediate(this.#settle);
    this.#settling.push(lane);
  }

  async close(isAtOnce: boolean): Promise<void> {
    this.#isClosing = true;
    this.#shared.core.rounds.delete(this.#round);
    for (const lane of isAtOnce ? this.#lanes : this.#free) lane.end();
    if (this.#lanes.size === 0) return;
    await new Promise<void>((done) => {
      this.#whenEmpty = done;
    });
  }

  #open(): Lane {
    const lane = new Lane({
      connect: async (readInto) => {
        const socket = await connectUpstream({ ...this.#shared, protocol: 'http/1.1', readInto });
        this.#shared.core.countConnection(socket);
        return socket;
      },
      onEnd: (ended) => {
        this.#drop(ended);
      },
    });
    this.#lanes.add(lane);
    return lane;
  }

  #drop(lane: Lane): void {
    this.#lanes.delete(lane);
    const at = this.#free.indexOf(lane);
    if (at >= 0) this.#free.splice(at, 1);
    if (this.#lanes.size === 0) this.#whenEmpty?.();
  }

  #endIdle(): void {
    const { nowMs } = this.#shared.core;
    for (const lane of [...this.#free]) if (nowMs >= lane.freeUntilMs) lane.end();
  }
}

export class Http1Exchange extends Exchange implements Carried {
  isPaused = false;
  readonly #line: Line<Http1Connections>;
  #connections: Http1Connections | null = null;
  #lane: Lane | null = null;
  #hasBegun = false;

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

  protected override get isRequestSent(): boolean {
    return this.#lane!.isWritten;
  }

  protected override get isLent(): boolean {
    return true;
  }

  protected override start(): void {
    this.#connections = this.#line.current;
    this.#lane = this.#connections.take();
    this.#lane.carry(this);
  }

  protected override leave(): void {
    const lane = this.#lane;
    this.#lane = null;
    if (lane !== null) this.#connections!.give(lane);
  }

  protected override cancel(): void {
    if (this.#hasBegun) this.#lane!.end();
  }

  protected override resume(): void {
    this.isPaused = false;
    this.#lane?.resume();
  }

  refuse(error: unknown): void {
    if (isRefused(error)) this.tryAgain(error);
    else this.fail(error);
  }

  write(socket: Socket): void {
    const { body } = this.request;
    const head = toHead(this.request, this.#connections!);
    if (head === null) {
      this.fail(new Error('internal error: a request with characters that no head has'));
      return;
    }
    this.#hasBegun = true;
    this.hasBegun();
    if (body.length <= TEXT_BYTES_MAX) {
      socket.write(head + toLatin1(body), 'latin1');
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    socket.write(body);
    socket.uncork();
  }

  override takeHead(head: Http1Head): void {
    super.takeHead(head);
  }

  override takeData(piece: Uint8Array): boolean {
    const goesOn = super.takeData(piece);
    this.isPaused = !goesOn && !this.isOver;
    return goesOn;
  }

  override takeEnd(): void {
    super.takeEnd();
  }
}

/** One text of head and body is one write, and takes a microsecond less than two buffers; longer ones are not worth the copy. */
const TEXT_BYTES_MAX = 4096;

const NO_TARGET = /[^\x21-\x7e]/;
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** null for what would be read as something else: whoever made the request had to see to that. */
function toHead(
  { method, path, headers, body }: UpstreamRequest,
  { begin, end, basePath }: Http1Connections,
): string | null {
  if (NO_TARGET.test(path)) return null;
  let text = `${method} ${basePath}${path}${begin}`;
  for (const [name, value] of headers) {
    if (NO_VALUE.test(value)) return null;
    text += `${name}: ${value}\r\n`;
  }
  const length = body.length > 0 || method !== 'GET' ? `content-length: ${body.length}\r\n` : '';
  return `${text}${end}${length}\r\n`;
}
