/** Trace context of a request (W3C Trace Context, level 1): taken over from the caller, or begun here. */
import { TELEMETRY_LIMITS } from '../../core/limits/metrics.ts';
import type { Random } from '../../core/ports.ts';

/** Where a request stands in a trace. */
export interface Trace {
  /** 32 hex digits, not all 0. */
  readonly traceId: string;
  /** Of the span of this gateway, 16 hex digits; of the caller's where the gateway tells of none. */
  readonly spanId: string;
  /** Of the caller; null where the trace begins here. */
  readonly parentId: string | null;
  /** Whether a span of this request is told. */
  readonly isSampled: boolean;
  /** Of other vendors, handed on as it came; null where there is none. */
  readonly state: string | null;
}

export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const VERSION_00_CHARS = 55;

/**
 * Null for what is none: then the trace begins anew.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function findTraceParent(header: string | undefined): TraceParent | null {
  if (header === undefined || header.length < VERSION_00_CHARS) return null;
  const found = FORM.exec(header);
  if (found === null) return null;
  const [, version, traceId, spanId, flags] = found;
  // Later versions may say more behind; version 00 does not, and ff is none.
  if (version === 'ff' || (version === '00' && header.length > VERSION_00_CHARS)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function toTraceParent({ traceId, spanId, isSampled }: Trace): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** The list of other vendors, whole or not at all: null where it is too long, or not of its form. */
export function findTraceState(header: string | undefined): string | null {
  if (header === undefined || header === '' || header.length > TELEMETRY_LIMITS.traceStateCharsMax) return null;
  const members = header.split(',').map((member) => member.trim());
  const isFormed = members.length <= 32 && members.every((member) => member === '' || MEMBER.test(member));
  return isFormed ? header : null;
}

export interface TraceRules {
  /** Part of the requests of which a span is told: 0 for none, 1 for all. */
  readonly sampleRatio: number;
  /** Whether callers decide that theirs are told, too: never for callers who are strangers. */
  readonly trustsCallers: boolean;
}

/** Bytes of chance that are drawn at once. */
const POOL_BYTES = 4096;
const TRACE_BYTES = 16;
const SPAN_BYTES = 8;
const DRAW_BYTES = 6;

type Headers = Readonly<Record<string, string | undefined>>;

/**
 * Begins the trace of each request. Null where no span is told and nothing came in. The draw is the gateway's own: a caller who
 * chooses his trace id does not choose whether it is told.
 */
export function createTraceStarter(random: Random, rules: TraceRules): (headers: Headers) => Trace | null {
  const pool = Buffer.alloc(POOL_BYTES);
  let at = POOL_BYTES;
  /** Where so many bytes of chance begin. */
  const draw = (bytes: number): number => {
    if (at + bytes > POOL_BYTES) {
      random.fill(pool);
      at = 0;
    }
    at += bytes;
    return at - bytes;
  };
  const isDrawn = (): boolean =>
    pool.readUIntBE(draw(DRAW_BYTES), DRAW_BYTES) < rules.sampleRatio * 2 ** (8 * DRAW_BYTES);
  const drawId = (bytes: number): string => {
    const from = draw(bytes);
    const id = pool.toString('hex', from, from + bytes);
    return /^0+$/.test(id) ? `${id.slice(1)}1` : id;
  };
  return (headers) => {
    const parent = findTraceParent(headers.traceparent);
    const isSampled = (rules.trustsCallers && parent?.isSampled === true) || (rules.sampleRatio > 0 && isDrawn());
    if (parent === null) {
      if (!isSampled) return null;
      const ids = { traceId: drawId(TRACE_BYTES), spanId: drawId(SPAN_BYTES) };
      return { ...ids, parentId: null, isSampled, state: null };
    }
    const state = findTraceState(headers.tracestate);
    const { traceId, spanId } = parent;
    // Who tells of no span stays out of the chain: what comes behind hangs on the caller's own span.
    if (!isSampled)
      return { traceId, spanId, parentId: spanId, isSampled: parent.isSampled && rules.trustsCallers, state };
    return { traceId, spanId: drawId(SPAN_BYTES), parentId: spanId, isSampled, state };
  };
}
