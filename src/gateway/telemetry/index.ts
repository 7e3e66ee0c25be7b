/** What is told to collectors: traces of requests, counts and spans in OpenTelemetry's protocol. */
export { runTelemetry, type TelemetryOptions } from './export.ts';
export { type OtlpOptions, type Resource, type Sent, toOtlpMetrics, toOtlpSpans } from './otlp.ts';
export { createSpanQueue, type SpanOf, type SpanQueue } from './spans.ts';
export {
  createTraceStarter,
  findTraceParent,
  findTraceState,
  type Trace,
  type TraceParent,
  type TraceRules,
  toTraceParent,
} from './trace.ts';
