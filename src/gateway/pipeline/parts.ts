/** What the steps of a request are made of; the configuration puts it together. */
import type { AddressLimiter, Permits } from '../limits/index.ts';
import type { AnswerSealer } from '../integrity/ports.ts';
import type { Answered, Identifier, Limiter, Meter, RequestLog } from '../ports.ts';
import type { Protocol } from '../protocols/ports.ts';
import type { SpanQueue, Trace } from '../telemetry/index.ts';
import type { Target } from '../targets/ports.ts';

export type { Answered, Meter };

export interface GatewayParts {
  /** In the order in which their tables are looked at. */
  readonly protocols: readonly Protocol[];
  /** By the name that callers use. */
  readonly targets: ReadonlyMap<string, Target>;
  readonly addresses: AddressLimiter;
  readonly identifier: Identifier;
  readonly limiter: Limiter;
  readonly permits: Permits;
  readonly sealer: AnswerSealer;
  readonly log: RequestLog;
  readonly meter: Meter;
  /** Without it the trace of a caller ends here. */
  readonly tracing?: Tracing;
  readonly settings: GatewaySettings;
  /** UUID version 7. */
  readonly makeRequestId: () => string;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Microseconds of a clock that never goes back. */
  readonly nowUs: () => number;
  /** Told what is a fault of the gateway; never what a caller sent. */
  readonly onFault: (error: unknown) => void;
}

export interface GatewaySettings {
  readonly name: string;
  readonly version: string;
  /** Whether liveness and readiness of the server are told to anybody. */
  readonly isHealthOpen: boolean;
  /** True once the process is told to end: then readiness is denied. */
  readonly isDraining?: () => boolean;
  /** Rows of one request where the key says nothing. */
  readonly batchMax: number;
  /** Key of the hashes of bodies in the log; null for plain SHA-256. */
  readonly hashKey: Uint8Array | null;
}

/** Traces of requests: handed on to servers behind, and told of by samples. */
export interface Tracing {
  /** null where there is nothing to hand on or to tell. */
  readonly start: (headers: Readonly<Record<string, string | undefined>>) => Trace | null;
  readonly spans: SpanQueue;
}
