/** What all requests of one line share: seats, those that wait for one, and the watch over everybody's patience. */
import type { Duplex } from 'node:stream';
import type { UpstreamRequest } from '../../gateway/ports.ts';
import { toGone, toOverloaded, toUnreachable } from './failures.ts';
import type { UpstreamLimits } from './types.ts';

/** One request, as far as its seat and its patience are concerned. */
export interface Seated {
  readonly request: Pick<UpstreamRequest, 'signal'>;
  readonly deadlineMs: number;
  /** The seat is there. */
  begin(): void;
  /** The patience has ended. */
  expire(): void;
  fail(error: unknown): void;
}

export class UpstreamCore {
  readonly limits: UpstreamLimits;
  /** Requests that have a seat, and those that wait for one, in their order. */
  readonly seated = new Set<Seated>();
  readonly waiting = new Set<Seated>();
  isClosed = false;
  requests = 0;
  connections = 0;
  connectionsNow = 0;
  retries = 0;
  reloads = 0;
  /** Milliseconds of a clock that is read at each round of the watch, not at each request. */
  nowMs = performance.now();
  /** Called at each round of the watch. */
  readonly rounds = new Set<() => void>();
  readonly #watch: NodeJS.Timeout;

  constructor(limits: UpstreamLimits) {
    this.limits = limits;
    this.#watch = setInterval(() => {
      this.#lookAround();
    }, toRoundMs(limits)).unref();
  }

  /** Gives the request a seat, now or when one is free; or fails it. */
  admit(exchange: Seated): void {
    this.requests++;
    if (exchange.request.signal.aborted) {
      exchange.fail(toGone());
    } else if (this.isClosed) {
      exchange.fail(toUnreachable('closing'));
    } else if (this.seated.size < this.limits.seatsMax) {
      this.seated.add(exchange);
      exchange.begin();
    } else if (this.waiting.size < this.limits.waitingMax) {
      this.waiting.add(exchange);
    } else {
      exchange.fail(toOverloaded());
    }
  }

  /** The request is over: its seat goes to the one that has waited longest. */
  dismiss(exchange: Seated): void {
    if (!this.seated.delete(exchange)) {
      this.waiting.delete(exchange);
      return;
    }
    if (this.waiting.size === 0) return;
    const [next] = this.waiting;
    this.waiting.delete(next);
    this.seated.add(next);
    next.begin();
  }

  countConnection(socket: Duplex): void {
    this.connections++;
    this.connectionsNow++;
    socket.once('close', () => {
      this.connectionsNow--;
    });
  }

  /** Fails all that is under way. */
  close(): void {
    this.isClosed = true;
    clearInterval(this.#watch);
    for (const exchange of [...this.waiting, ...this.seated]) exchange.fail(toUnreachable('closing'));
  }

  #lookAround(): void {
    this.nowMs = performance.now();
    for (const exchange of this.waiting) if (this.nowMs >= exchange.deadlineMs) exchange.fail(toOverloaded());
    for (const exchange of this.seated) if (this.nowMs >= exchange.deadlineMs) exchange.expire();
    for (const round of this.rounds) round();
  }
}

/** Often enough for the shortest of the times, and not more than ten times a second. */
function toRoundMs(limits: UpstreamLimits): number {
  const shortest = Math.min(
    limits.waitTimeoutMs,
    limits.headersTimeoutMs,
    limits.idleTimeoutMs,
    limits.answerTimeoutMs,
    limits.streamTimeoutMs,
    limits.stallTimeoutMs,
  );
  return Math.min(500, Math.max(100, shortest / 4));
}
