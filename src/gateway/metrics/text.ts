/** Counts as Prometheus reads them: text format 0.0.4, with names by OpenTelemetry's rules for it. */
import type { Family, HistogramValue, Metrics } from './ports.ts';

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const UNITS: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };

/**
 * `http.server.request.duration` in `s` is `http_server_request_duration_seconds`.
 * @see https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
 */
export function toPrometheusName({ name, unit, kind }: Pick<Family, 'name' | 'unit' | 'kind'>): string {
  const words = [toLabelName(name)];
  if (Object.hasOwn(UNITS, unit)) words.push(UNITS[unit]);
  else if (unit === '1' && kind === 'gauge') words.push('ratio');
  if (kind === 'counter') words.push('total');
  return words.join('_');
}

/** `http.response.status_code` is `http_response_status_code`. */
function toLabelName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_');
}

export function toPrometheusText({ families }: Metrics): string {
  const lines: string[] = [];
  for (const family of families) {
    if (family.series.length === 0) continue;
    const name = toPrometheusName(family);
    lines.push(`# HELP ${name} ${escapeHelp(family.help)}`, `# TYPE ${name} ${family.kind}`);
    const names = family.labels.map(toLabelName);
    for (const { labels, value } of family.series) {
      const pairs = names.map((label, at) => `${label}="${escapeLabel(labels[at])}"`);
      if (typeof value === 'number') lines.push(`${name}${toBraces(pairs)} ${toNumber(value)}`);
      else addHistogram(lines, { name, pairs, bounds: family.bounds! }, value);
    }
  }
  lines.push('');
  return lines.join('\n');
}

interface Named {
  readonly name: string;
  readonly pairs: readonly string[];
  readonly bounds: readonly number[];
}

function addHistogram(lines: string[], { name, pairs, bounds }: Named, { counts, sum }: HistogramValue): void {
  let total = 0;
  counts.forEach((count, at) => {
    total += count;
    const bound = at < bounds.length ? toNumber(bounds[at]) : '+Inf';
    lines.push(`${name}_bucket${toBraces([...pairs, `le="${bound}"`])} ${total}`);
  });
  lines.push(`${name}_sum${toBraces(pairs)} ${toNumber(sum)}`, `${name}_count${toBraces(pairs)} ${total}`);
}

function toBraces(pairs: readonly string[]): string {
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function toNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
