/** What is counted, as plain values that cross processes, and what the outside tells of a process. */

export type MetricKind = 'counter' | 'gauge' | 'histogram';

/**
 * How one number is made of those of several processes: added; the largest or smallest; or none is made, and each process
 * keeps its own with a label `worker`.
 */
export type Fold = 'sum' | 'max' | 'min' | 'each';

export interface FamilyTerms {
  /** By the conventions of OpenTelemetry: `http.server.request.duration`. */
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  /** UCUM: `s`, `By`, `1`; `{request}` for things that are counted. */
  readonly unit: string;
  readonly fold: Fold;
  /** Names of labels, such as `http.response.status_code`. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, ascending, without infinity. */
  readonly bounds?: readonly number[];
}

export interface HistogramValue {
  /** Of each bucket alone, the one to infinity last: one more than there are bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface Series {
  /** In the order of the family's labels. */
  readonly labels: readonly string[];
  readonly value: number | HistogramValue;
}

export interface Family extends FamilyTerms {
  readonly series: readonly Series[];
}

/** All counts of one process, or of several together. */
export interface Metrics {
  readonly families: readonly Family[];
  /** Since when counters count, milliseconds since 1970. */
  readonly startedMs: number;
}

/** What the system tells of this process. */
export interface ProcessSample {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  /** User and system time since the start. */
  readonly cpuSeconds: number;
  /** How late the event loop came since the last sample, seconds. */
  readonly loopDelay: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Part of the time since the last sample in which the event loop had work: 0 to 1. */
  readonly loopUtilization: number;
}

/** An implementer must be cheap enough to be asked once a second, and never throw. */
export type ReadProcess = () => ProcessSample;

/** What a listener tells of itself: counts since the start, but for those "now". */
export interface ListenerSample {
  readonly connectionsNow: number;
  readonly bodiesBytesNow: number;
  readonly connections: number;
  readonly connectionsRefused: number;
  readonly handshakesFailed: number;
  readonly answersCut: number;
  readonly floods: number;
  /** Requests that were refused before they were any: by code. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly tls: {
    readonly reloads: number;
    readonly reloadsRefused: number;
    /** End of the first certificate of the chain to end, milliseconds since 1970. */
    readonly notAfterMs: number;
  } | null;
}

/**
 * The way to a collector of telemetry (OTLP over HTTP).
 *
 * An implementer must speak https, or http to this machine alone, follow no redirect, and bound time and the size of the answer.
 */
export interface TelemetryLink {
  /**
   * Sends one JSON message.
   * @throws GatewayError TELEMETRY_UNAVAILABLE: worth another try | TELEMETRY_REFUSED: not with these bytes
   */
  send(signal: 'metrics' | 'traces', body: Uint8Array): Promise<void>;
}

/** Counts what happened; all calls are cheap and never throw. */
export interface Meter {
  /** A request of which the answer was given; `code` of a refusal or failure, null for a good answer. */
  onAnswer(answered: Answered): void;
}

export interface Answered {
  /** Name of the protocol; null where none was found. */
  readonly protocol: string | null;
  /** Of the target; null where none was found, so that callers make no labels. */
  readonly model: string | null;
  /** Of the call, such as `chat/completions`; '' where there is none. */
  readonly route: string;
  readonly requestId: string;
  /** null where nobody was recognised. */
  readonly principalId: string | null;
  readonly status: number;
  readonly code: string | null;
  readonly durationUs: number;
  readonly items: number;
  readonly inputBytes: number;
  readonly answerBytes: number;
}
