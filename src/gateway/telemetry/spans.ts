/** Spans of answered requests, kept until they are sent; as OTLP JSON. */
import { TELEMETRY_LIMITS } from '../../core/limits/metrics.ts';
import { toOperation } from '../metrics/index.ts';
import type { Answered } from '../ports.ts';
import type { Trace } from './trace.ts';

/** One request that was told. */
export interface SpanOf {
  readonly trace: Trace;
  readonly method: string;
  /** When it began, milliseconds since 1970. */
  readonly timeMs: number;
  /** As in the log: SHA-256 of the body, or its HMAC; null where it was not read. */
  readonly inputHash: Uint8Array | null;
  readonly isInputKeyed: boolean;
  readonly answered: Answered;
}

export interface SpanQueue {
  /** Never throws; drops and counts what there is no room for. */
  add(span: SpanOf): void;
  take(count: number): readonly SpanOf[];
  readonly length: number;
  readonly dropped: number;
}

export function createSpanQueue(spansMax: number = TELEMETRY_LIMITS.spansMax): SpanQueue {
  const spans: SpanOf[] = [];
  let dropped = 0;
  return {
    add: (span) => {
      if (spans.length < spansMax) spans.push(span);
      else dropped += 1;
    },
    take: (count) => spans.splice(0, count),
    get length() {
      return spans.length;
    },
    get dropped() {
      return dropped;
    },
  };
}

const SERVER = 2;
const ERROR = 2;

/** @see https://opentelemetry.io/docs/specs/otlp/ : ids are hex, 64-bit numbers are text */
export function toOtlpSpan(span: SpanOf): object {
  const { trace, timeMs, answered } = span;
  const startUs = timeMs * 1000;
  const endUs = startUs + Math.max(0, Math.round(answered.durationUs));
  const isFailed = answered.status >= 500;
  return {
    traceId: trace.traceId,
    spanId: trace.spanId,
    ...(trace.parentId !== null && { parentSpanId: trace.parentId }),
    ...(trace.state !== null && { traceState: trace.state }),
    name: toName(span),
    kind: SERVER,
    startTimeUnixNano: `${startUs}000`,
    endTimeUnixNano: `${endUs}000`,
    attributes: toAttributes(toFields(span)),
    // Refusals are the caller's doing, and no errors of the server.
    ...(isFailed && { status: { code: ERROR } }),
  };
}

/** Of closed lists: names of spans are few. */
function toName({ method, answered: { protocol, model, route } }: SpanOf): string {
  if (protocol === 'openai' && route !== '' && model !== null) return `${toOperation(route)} ${model}`;
  return protocol === null ? method : `${method} ${protocol}`;
}

function toFields(span: SpanOf): Record<string, string | number | null> {
  const { method, inputHash, isInputKeyed, answered } = span;
  const { protocol, model, route, requestId, status, code, items, inputBytes, answerBytes } = answered;
  const isText = protocol === 'openai' && route !== '';
  const hash = inputHash === null ? null : Buffer.from(inputHash).toString('hex');
  return {
    ...{ 'http.request.method': method, 'http.response.status_code': status, 'error.type': code },
    ...{ 'http.request.body.size': inputBytes, 'http.response.body.size': answerBytes },
    ...{ 'modelward.protocol': protocol, 'modelward.model': model, 'modelward.request.id': requestId },
    ...{ 'modelward.principal': answered.principalId, 'modelward.items': items },
    ...(isText && { 'gen_ai.operation.name': toOperation(route), 'gen_ai.request.model': model }),
    ...(isText && { 'openinference.span.kind': 'LLM', 'llm.model_name': model }),
    // Never the input: what tools show in its place is its hash.
    'input.value': hash === null ? null : `${isInputKeyed ? 'hmac-sha256' : 'sha256'}:${hash}`,
  };
}

/** Numbers are whole ones here. */
export function toAttributes(fields: Readonly<Record<string, string | number | null>>): object[] {
  return Object.entries(fields).flatMap(([key, value]) => {
    if (value === null) return [];
    return [{ key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value } }];
  });
}
