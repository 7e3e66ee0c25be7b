/**
 * Counts and spans as messages of OTLP, in its JSON form. Written by hand: the packages of OpenTelemetry's SDK take 50 MB, would
 * count everything a second time, and cannot tell of several processes as one.
 * @see https://opentelemetry.io/docs/specs/otlp/ and opentelemetry-proto 1.x
 */
import { utf8 } from '../../core/bytes.ts';
import type { Family, Metrics, Series } from '../ports.ts';
import { type SpanOf, toAttributes, toOtlpSpan } from './spans.ts';

/** Names of this service: `service.name` and the like. */
export type Resource = Readonly<Record<string, string>>;

export interface OtlpOptions {
  readonly resource: Resource;
  /** Of the program. */
  readonly version: string;
}

const CUMULATIVE = 2;
const DELTA = 1;

/** One message with all metrics. @param before null: sums since the start; else what came since then (for Datadog) */
export function toOtlpMetrics(
  metrics: Metrics,
  { resource, version, timeMs, before }: OtlpOptions & { readonly timeMs: number; readonly before: Sent | null },
): Uint8Array {
  const startMs = before === null ? metrics.startedMs : before.timeMs;
  const times = { startTimeUnixNano: toNano(startMs), timeUnixNano: toNano(timeMs) };
  const told = metrics.families.filter(({ series }) => series.length > 0);
  const toMetric = (family: Family): object => toOtlpMetric(family, times, before);
  const scopeMetrics = [{ scope: { name: 'modelward', version }, metrics: told.map(toMetric) }];
  return toBytes({ resourceMetrics: [{ resource: { attributes: toAttributes(resource) }, scopeMetrics }] });
}

/** What was told last, where only changes are told. */
export interface Sent {
  readonly metrics: Metrics;
  readonly timeMs: number;
}

export function toOtlpSpans(spans: readonly SpanOf[], { resource, version }: OtlpOptions): Uint8Array {
  const scopeSpans = [{ scope: { name: 'modelward', version }, spans: spans.map(toOtlpSpan) }];
  return toBytes({ resourceSpans: [{ resource: { attributes: toAttributes(resource) }, scopeSpans }] });
}

interface Times {
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
}

function toOtlpMetric(family: Family, times: Times, before: Sent | null): object {
  const { name, help: description, unit, kind, labels, bounds } = family;
  const former = before?.metrics.families.find((one) => one.name === name);
  const points = family.series.filter(isTold).map((series) => {
    const known = kind === 'gauge' ? undefined : former?.series.find((one) => isSame(one, series));
    const attributes = toAttributes(Object.fromEntries(labels.map((label, at) => [label, series.labels[at]])));
    return { attributes, ...times, ...toValue(series, known, bounds) };
  });
  const aggregationTemporality = before === null ? CUMULATIVE : DELTA;
  const common = { name, description, unit };
  if (kind === 'histogram') return { ...common, histogram: { dataPoints: points, aggregationTemporality } };
  if (kind === 'gauge') return { ...common, gauge: { dataPoints: points } };
  return { ...common, sum: { dataPoints: points, aggregationTemporality, isMonotonic: true } };
}

/** JSON has no numbers for what is infinite, and such a point is of no use to a collector. */
function isTold({ value }: Series): boolean {
  return typeof value !== 'number' || Number.isFinite(value);
}

function isSame(a: Series, b: Series): boolean {
  return a.labels.length === b.labels.length && a.labels.every((label, at) => label === b.labels[at]);
}

/** Less what was told before; a count that went down began anew. */
function toValue({ value }: Series, known: Series | undefined, bounds: readonly number[] = []): object {
  if (typeof value === 'number') {
    const base = typeof known?.value === 'number' ? known.value : 0;
    return { asDouble: base <= value ? value - base : value };
  }
  const base = typeof known?.value === 'object' ? known.value : null;
  const isGoingOn = base?.counts.every((count, at) => count <= value.counts[at]) === true;
  const counts = value.counts.map((count, at) => count - (isGoingOn ? base.counts[at] : 0));
  return {
    count: String(counts.reduce((sum, count) => sum + count, 0)),
    sum: value.sum - (isGoingOn ? base.sum : 0),
    bucketCounts: counts.map(String),
    explicitBounds: bounds,
  };
}

function toNano(timeMs: number): string {
  return `${Math.round(timeMs)}000000`;
}

function toBytes(message: object): Uint8Array {
  return utf8(JSON.stringify(message));
}
