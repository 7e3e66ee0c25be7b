/** What all connections of one front share: limits, counts, a coarse clock, and the watch over everybody's patience. */
import type { Socket } from 'node:net';
import type { GatewayGreeter, GatewayHandler, Peer } from '../../gateway/ports.ts';
import { BodyPool } from './body-pool.ts';
import type { FrontCode, HttpFrontLimits } from './types.ts';

/** The counts of `HttpFrontStats`, as they are kept. */
export class FrontCounts {
  bodiesBytesNow = 0;
  requestsNow = 0;
  connections = 0;
  connectionsRefused = 0;
  handshakesFailed = 0;
  requests = 0;
  answersCut = 0;
  floods = 0;
  reloads = 0;
  reloadsRefused = 0;
  readonly refusals: Record<FrontCode, number> = {
    GATEWAY_FRAMING: 0,
    GATEWAY_METHOD_NOT_ALLOWED: 0,
    GATEWAY_HEADERS_TOO_LARGE: 0,
    GATEWAY_BODY_TOO_LARGE: 0,
    GATEWAY_CONTENT_TYPE: 0,
    GATEWAY_REQUEST_TIMEOUT: 0,
    GATEWAY_OVERLOADED: 0,
    GATEWAY_INTERNAL: 0,
    GATEWAY_CREDENTIAL_MISSING: 0,
    GATEWAY_CREDENTIAL_INVALID: 0,
    GATEWAY_CREDENTIAL_EXPIRED: 0,
    GATEWAY_ADDRESS_REFUSED: 0,
    GATEWAY_IDENTITY_UNAVAILABLE: 0,
    GATEWAY_RATE_LIMITED: 0,
  };
}

/** A connection, as far as the watch goes. */
export interface Watched {
  readonly peer: Peer;
  /** Requests so far. */
  readonly requests: number;
  /** Ends after its answers. */
  retire(): void;
  cut(): void;
  lookAfter(): void;
}

export interface FrontCoreOptions {
  readonly limits: HttpFrontLimits;
  readonly isTls: boolean;
  readonly handler: GatewayHandler;
  readonly greet?: GatewayGreeter;
  readonly onTrouble: (error: unknown) => void;
}

export class FrontCore {
  readonly limits: HttpFrontLimits;
  readonly isTls: boolean;
  readonly handler: GatewayHandler;
  /** null: bodies of everybody are read. */
  readonly greet: GatewayGreeter | null;
  readonly onTrouble: (error: unknown) => void;
  readonly counts = new FrontCounts();
  readonly bodies = new BodyPool();
  readonly connections = new Set<Watched>();
  /** All that were let in, also before their handshake. */
  readonly sockets = new Set<Socket>();
  /** Plaintext: those that have not said which HTTP they speak. */
  readonly newcomers = new Set<Socket>();
  /** Connections are told to end after their answers. */
  isDraining = false;
  /** Milliseconds of a clock that is read at each round of the watch, not at each request. */
  nowMs = performance.now();
  /** Bytes of bodies, by callers who are known and have large ones. */
  readonly #held = new Map<string, number>();
  readonly #watch: NodeJS.Timeout;
  #whenIdle: (() => void) | null = null;

  constructor({ limits, isTls, handler, greet, onTrouble }: FrontCoreOptions) {
    this.limits = limits;
    this.isTls = isTls;
    this.handler = handler;
    this.greet = greet ?? null;
    this.onTrouble = onTrouble;
    // Behind the next reads: what came while the loop was held up is no silence.
    this.#watch = setInterval(() => {
      setImmediate(() => {
        this.#lookAround();
      });
    }, toRoundMs(limits)).unref();
  }

  refuse(code: FrontCode): void {
    this.counts.refusals[code]++;
  }

  /** Whether a caller's bodies may take so much more: while memory is short, not the part of others. */
  mayHold(id: string, bytes: number): boolean {
    const { bodiesBytesMax, callersPart } = this.limits;
    if (this.counts.bodiesBytesNow + bytes <= bodiesBytesMax / 2) return true;
    return (this.#held.get(id) ?? 0) + bytes <= callersPart * bodiesBytesMax;
  }

  /** @param bytes below 0 when they are given back */
  hold(id: string, bytes: number): void {
    const held = (this.#held.get(id) ?? 0) + bytes;
    if (held <= 0) this.#held.delete(id);
    else this.#held.set(id, held);
  }

  /** Calls back once, as soon as no request is under way. */
  whenIdle(done: () => void): void {
    this.#whenIdle = done;
    this.requestEnded();
  }

  requestEnded(): void {
    if (this.counts.requestsNow > 0 || this.#whenIdle === null) return;
    const done = this.#whenIdle;
    this.#whenIdle = null;
    done();
  }

  /** Whether there are connections that were let in and have not asked for anything. */
  get hasSilent(): boolean {
    let asked = 0;
    for (const { requests } of this.connections) if (requests > 0) asked++;
    return this.sockets.size > asked;
  }

  /** As `retireAll`, and so do those that come now. */
  drain(): void {
    this.isDraining = true;
    this.retireAll();
    for (const socket of this.newcomers) socket.destroy();
  }

  /** Each connection ends after its answers; those without any at once. */
  retireAll(isMeant: (connection: Watched) => boolean = () => true): void {
    for (const connection of this.connections) if (isMeant(connection)) connection.retire();
  }

  close(): void {
    clearInterval(this.#watch);
    for (const connection of this.connections) connection.cut();
    for (const socket of this.sockets) socket.destroy();
  }

  #lookAround(): void {
    this.nowMs = performance.now();
    this.bodies.trim();
    for (const connection of this.connections) connection.lookAfter();
  }
}

/** Often enough for the shortest of the times, and not more than ten times a second. */
function toRoundMs(limits: HttpFrontLimits): number {
  const shortest = Math.min(
    limits.headersTimeoutMs,
    limits.requestTimeoutMs,
    limits.answerTimeoutMs,
    limits.idleTimeoutMs,
    limits.writeTimeoutMs,
    limits.lingerTimeoutMs,
  );
  return Math.min(500, Math.max(100, shortest / 4));
}
