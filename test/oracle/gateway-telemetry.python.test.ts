/** Prometheus' own parser, the schemas of OpenTelemetry's protocol and a validator of OpenAPI read what the gateway tells. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import {
  createCallerBoard,
  createMeter,
  createRunMeter,
  MetricsRegistry,
  observeGateway,
  observeListeners,
  type SpanOf,
  toOpenApiText,
  toOtlpMetrics,
  toOtlpSpans,
  toPrometheusText,
} from '../../src/gateway/index.ts';
import type { Metrics } from '../../src/gateway/ports.ts';
import { describeWithProgram } from '../shared-data.ts';

const PYTHON = resolve(import.meta.dirname, '../oracles/.venv/bin/python');

/** Runs a program that reads one text and prints JSON. */
function judge(program: string, input: Uint8Array | string): unknown {
  const out = execFileSync(PYTHON, ['-c', program], { input, maxBuffer: 1 << 24, stdio: ['pipe', 'pipe', 'pipe'] });
  return JSON.parse(out.toString());
}

const ANSWERED = {
  ...{ protocol: 'openai', model: 'llm', route: 'chat/completions', requestId: 'r', principalId: 'key:k_1', status: 200 },
  ...{ code: null, durationUs: 1e6 / 1024, items: 3, inputBytes: 100, answerBytes: 50 },
}; // biome-ignore format: one request

function readAll(): Metrics {
  const registry = new MetricsRegistry(1_800_000_000_000);
  const meter = createMeter(registry, createCallerBoard(registry, { top: 5, flagged: () => new Set() }));
  for (let at = 0; at < 4; at += 1) meter.onAnswer(ANSWERED);
  meter.onAnswer({ ...ANSWERED, model: 'a "quoted" \\ name\n', status: 503, code: 'GATEWAY_OVERLOADED' });
  createRunMeter(registry)('llm', '1')({ rows: 3, requests: 2 });
  const loopDelay = { p50: 0.001, p99: 0.002, max: 0.003 };
  observeGateway(registry, {
    ...{
      inFlight: () => 2,
      upstreams: () => [{ name: 'behind', isReady: true }],
      spoolBytes: () => 1,
      logRows: () => 9,
    },
    models: () => [{ name: 'llm', version: '1', isReady: true, load: 1 }],
    readProcess: () => ({ residentBytes: 1e8, heapUsedBytes: 1e7, cpuSeconds: 1, loopDelay, loopUtilization: 0.5 }),
  });
  const counts = { connectionsNow: 1, bodiesBytesNow: 2, connections: 3, connectionsRefused: 4, handshakesFailed: 5 };
  const tls = { reloads: 1, reloadsRefused: 0, notAfterMs: 1_900_000_000_000 };
  observeListeners(registry, () => [
    ['data', { ...counts, answersCut: 0, floods: 0, refusals: { GATEWAY_FRAMING: 1 }, tls }],
  ]);
  return registry.read();
}

const PROMETHEUS = `
import sys, json
from prometheus_client.parser import text_string_to_metric_families
told = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.type in ('counter', 'gauge', 'histogram'), family.name
    for sample in family.samples:
        told[sample.name + json.dumps(sample.labels, sort_keys=True)] = sample.value
print(json.dumps(told))
`;

/** Members that the schema lacks are errors; ids of traces are hex in OTLP, where the usual JSON of protobuf has base64. */
const OTLP = (kind: string, hexIds: string) => `
import sys, json, base64
from google.protobuf.json_format import Parse, MessageToDict
from opentelemetry.proto.collector.${kind}.v1 import ${kind}_service_pb2 as service
message = json.load(sys.stdin)
def walk(value):
    if isinstance(value, dict):
        return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in (${hexIds}) else walk(v) for k, v in value.items()}
    return [walk(v) for v in value] if isinstance(value, list) else value
name = 'Export${kind === 'metrics' ? 'Metrics' : 'Trace'}ServiceRequest'
print(json.dumps(MessageToDict(Parse(json.dumps(walk(message)), getattr(service, name)()))))
`;

const OPENAPI = `
import sys, json
from openapi_spec_validator import OpenAPIV31SpecValidator
print(json.dumps([str(error.message) for error in OpenAPIV31SpecValidator(json.load(sys.stdin)).iter_errors()]))
`;

const OPTIONS = { resource: { 'service.name': 'modelward' }, version: '1' };

describeWithProgram('what the gateway tells', PYTHON, ['-c', 'import prometheus_client'], () => {
  test("is read by Prometheus' client as it was counted, whatever stands in a label", () => {
    const told = judge(PROMETHEUS, toPrometheusText(readAll())) as Record<string, number>;
    const labels = { code: '', model: 'llm', protocol: 'openai', status: '200' };
    const toName = (name: string, of: object) => `${name}${JSON.stringify(of).replaceAll(/([:,])"/g, '$1 "')}`;
    expect(told[toName('modelward_requests_total', labels)]).toBe(4);
    expect(Object.keys(told).some((name) => name.includes('a \\"quoted\\" \\\\ name\\n'))).toBe(true);
    const duration = { http_response_status_code: '200', model: 'llm', protocol: 'openai' };
    expect(told[toName('http_server_request_duration_seconds_count', duration)]).toBe(4);
    expect(told[toName('http_server_request_duration_seconds_sum', duration)]).toBe(4 / 1024);
  });

  test.each(['cumulative', 'delta'])('as OTLP metrics (%s) has no member that the schema lacks', (temporality) => {
    const metrics = readAll();
    const before = temporality === 'delta' ? { metrics, timeMs: 1_800_000_000_000 } : null;
    const bytes = toOtlpMetrics(metrics, { ...OPTIONS, timeMs: 1_800_000_060_000, before });
    const told = judge(OTLP('metrics', "''"), bytes) as {
      resourceMetrics: { scopeMetrics: { metrics: { name: string }[] }[] }[];
    };
    const names = told.resourceMetrics[0].scopeMetrics[0].metrics.map(({ name }) => name);
    expect(names).toEqual(metrics.families.filter(({ series }) => series.length > 0).map(({ name }) => name));
  });

  test('as OTLP spans has no member that the schema lacks', () => {
    const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', parentId: 'a'.repeat(16) };
    const span: SpanOf = {
      trace: { ...trace, isSampled: true, state: 'a=b' },
      ...{ method: 'POST', timeMs: 1_800_000_000_000, inputHash: Buffer.alloc(32), isInputKeyed: true },
      answered: { ...ANSWERED, status: 500, code: 'GATEWAY_INTERNAL' },
    };
    const told = judge(OTLP('trace', "'traceId', 'spanId', 'parentSpanId'"), toOtlpSpans([span], OPTIONS));
    const expected = { kind: 'SPAN_KIND_SERVER', traceState: 'a=b', status: { code: 'STATUS_CODE_ERROR' } };
    expect(told).toMatchObject({ resourceSpans: [{ scopeSpans: [{ spans: [expected] }] }] });
  });

  test('of its admin API is OpenAPI 3.1', () => {
    expect(judge(OPENAPI, toOpenApiText())).toEqual([]);
  });
});
