import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import type { Random } from '../../core/ports.ts';
import { createMeter, MetricsRegistry } from '../metrics/index.ts';
import type { Answered } from '../ports.ts';
import {
  createSpanQueue,
  createTraceStarter,
  findTraceParent,
  findTraceState,
  runTelemetry,
  type SpanOf,
  type TelemetryOptions,
  type TraceRules,
  toOtlpMetrics,
  toOtlpSpans,
  toTraceParent,
} from './index.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';
const PARENT = `00-${TRACE_ID}-${SPAN_ID}-01`;

/** Bytes that count up: no two draws are alike. */
function createCounting(): Random {
  let next = 0;
  return {
    fill: (into) => {
      for (let at = 0; at < into.length; at += 1) into[at] = (next++ * 167 + 13) & 0xff;
    },
  };
}

describe('traceparent', () => {
  test.each([
    ['the example of the specification', PARENT, { traceId: TRACE_ID, spanId: SPAN_ID, isSampled: true }],
    ['not sampled', PARENT.replace(/01$/, '00'), { traceId: TRACE_ID, spanId: SPAN_ID, isSampled: false }],
    ['with flags that are not known', PARENT.replace(/01$/, 'ff'), { traceId: TRACE_ID, spanId: SPAN_ID, isSampled: true }],
    ['of a later version, which says more', `cc${PARENT.slice(2)}-what`, { traceId: TRACE_ID, spanId: SPAN_ID, isSampled: true }],
    ['version ff', `ff${PARENT.slice(2)}`, null],
    ['version 00 that says more', `${PARENT}-what`, null],
    ['of a later version, run on', `cc${PARENT.slice(2)}what`, null],
    ['in upper case', PARENT.toUpperCase(), null],
    ['of no trace', `00-${'0'.repeat(32)}-${SPAN_ID}-01`, null],
    ['of no span', `00-${TRACE_ID}-${'0'.repeat(16)}-01`, null],
    ['too short', PARENT.slice(1), null],
    ['with a line break', `${PARENT}\n`, null],
    ['twice', `${PARENT}, ${PARENT}`, null],
    ['none', undefined, null],
  ])('%s', (_, header, expected) => {
    expect(findTraceParent(header)).toEqual(expected);
  }); // biome-ignore format: a case a line

  test.each([
    ['rojo=00f067aa0ba902b7,congo=t61rcWkgMzE', true],
    ['fw529a3039@dt=FfAAAAAA;00', true],
    [`a=${'x'.repeat(600)}`, false],
    ['no member', false],
    ['a=b\r\nx-injected: 1', false],
    ['', false],
  ])('tracestate %j is handed on whole, or not at all', (header, isTaken) => {
    expect(findTraceState(header)).toBe(isTaken ? header : null);
  });
});

describe('a trace', () => {
  const start = (rules: Partial<TraceRules>, headers: Record<string, string> = {}) =>
    createTraceStarter(createCounting(), { sampleRatio: 0, trustsCallers: false, ...rules })(headers);

  test('is not begun where nothing is told', () => {
    expect(start({})).toBeNull();
  });

  test('of a caller is handed on as it came where no span of ours is told, but for his wish to be told of', () => {
    const trace = start({}, { traceparent: PARENT, tracestate: 'a=b' })!;
    expect(toTraceParent(trace)).toBe(`00-${TRACE_ID}-${SPAN_ID}-00`);
    expect([trace.isSampled, trace.state]).toEqual([false, 'a=b']);
  });

  test('of a caller whom we trust is told of, by a span below his', () => {
    const trace = start({ trustsCallers: true }, { traceparent: PARENT })!;
    expect(trace).toMatchObject({ traceId: TRACE_ID, parentId: SPAN_ID, isSampled: true });
    expect(trace.spanId).not.toBe(SPAN_ID);
    expect(findTraceParent(toTraceParent(trace))).toEqual({ traceId: TRACE_ID, spanId: trace.spanId, isSampled: true });
  });

  test('begins here with ids of its own', () => {
    const begin = createTraceStarter(createCounting(), { sampleRatio: 1, trustsCallers: false });
    const traces = Array.from({ length: 500 }, () => begin({})!);
    expect(new Set(traces.map(({ spanId }) => spanId)).size).toBeGreaterThan(1);
    for (const trace of traces) expect(findTraceParent(toTraceParent(trace))).toMatchObject({ isSampled: true });
  });

  test('is told of as often as the ratio says, whatever ids callers choose', () => {
    let seed = 1;
    const random: Random = {
      fill: (into) => {
        for (let at = 0; at < into.length; at += 1) {
          seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
          into[at] = seed >>> 24;
        }
      },
    };
    const begin = createTraceStarter(random, { sampleRatio: 0.1, trustsCallers: false });
    const headers = { traceparent: `00-${'f'.repeat(32)}-${'f'.repeat(16)}-01` };
    const told = Array.from({ length: 20_000 }, () => begin(headers)!).filter(({ isSampled }) => isSampled).length;
    // Binomial: 2000 with a standard deviation of 42.
    expect(Math.abs(told - 2000)).toBeLessThan(300);
  });

  test('has no id of zeros, whatever chance gives', () => {
    const begin = createTraceStarter({ fill: (into) => into.fill(0) }, { sampleRatio: 1, trustsCallers: false });
    expect(findTraceParent(toTraceParent(begin({})!))).not.toBeNull();
  });
});

const ANSWERED: Answered = {
  ...{ protocol: 'openai', model: 'llm', route: 'chat/completions', principalId: 'key:k_1', status: 200, code: null },
  ...{ requestId: 'r', durationUs: 1e6 / 1024, items: 1, inputBytes: 10, answerBytes: 20 },
};
const SPAN: SpanOf = {
  trace: { traceId: TRACE_ID, spanId: 'a'.repeat(16), parentId: SPAN_ID, isSampled: true, state: null },
  ...{ method: 'POST', timeMs: 1_800_000_000_000, inputHash: Buffer.alloc(32, 0xab), isInputKeyed: false, answered: ANSWERED },
}; // biome-ignore format: one span
const OPTIONS = { resource: { 'service.name': 'modelward' }, version: '1.2.3' };

interface Spans {
  resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[];
}

function readSpans(spans: readonly SpanOf[]) {
  const message = JSON.parse(Buffer.from(toOtlpSpans(spans, OPTIONS)).toString()) as Spans;
  return message.resourceSpans[0].scopeSpans[0].spans.map(({ attributes, ...rest }) => ({
    ...rest,
    attributes: Object.fromEntries(
      (attributes as { key: string; value: object }[]).map(({ key, value }) => [
        key,
        Object.values(value)[0] as string,
      ]),
    ),
  }));
}

describe('a span', () => {
  test('has ids in hex, times in nanoseconds as text, and the names of the conventions', () => {
    const [span] = readSpans([SPAN]);
    expect(span).toMatchObject({
      ...{ traceId: TRACE_ID, spanId: 'a'.repeat(16), parentSpanId: SPAN_ID, name: 'chat llm', kind: 2 },
      ...{ startTimeUnixNano: '1800000000000000000', endTimeUnixNano: '1800000000000977000' },
      attributes: {
        ...{ 'http.request.method': 'POST', 'http.response.status_code': '200' },
        ...{ 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'llm', 'openinference.span.kind': 'LLM' },
        'input.value': `sha256:${'ab'.repeat(32)}`,
      },
    });
    expect(span).not.toHaveProperty('status');
  });

  test('says of the input its hash alone, and whether that is keyed', () => {
    expect(readSpans([{ ...SPAN, isInputKeyed: true }])[0].attributes['input.value']).toMatch(/^hmac-sha256:/);
    expect(readSpans([{ ...SPAN, inputHash: null }])[0].attributes).not.toHaveProperty('input.value');
  });

  test('is an error where the gateway failed, and none where it refused', () => {
    const of = (status: number, code: string) =>
      readSpans([{ ...SPAN, answered: { ...ANSWERED, protocol: 'oip', status, code } }])[0];
    expect(of(502, 'GATEWAY_UPSTREAM_TIMEOUT')).toMatchObject({ status: { code: 2 }, name: 'POST oip' });
    expect(of(429, 'GATEWAY_RATE_LIMITED')).not.toHaveProperty('status');
    expect(of(429, 'GATEWAY_RATE_LIMITED').attributes['error.type']).toBe('GATEWAY_RATE_LIMITED');
  });

  test('waits in a queue that is bounded; what is dropped is counted', () => {
    const queue = createSpanQueue(3);
    for (let at = 0; at < 5; at += 1) queue.add(SPAN);
    expect([queue.length, queue.dropped, queue.take(2).length, queue.length]).toEqual([3, 2, 2, 1]);
  });
});

function count(requests: number) {
  const registry = new MetricsRegistry(1000);
  const meter = createMeter(registry);
  for (let at = 0; at < requests; at += 1) meter.onAnswer(ANSWERED);
  registry.observe({ name: 'g', help: '', kind: 'gauge', unit: 's', fold: 'sum', labels: ['l'] }, () => [
    [['a'], requests],
    [['b'], Infinity],
  ]);
  return registry.read();
}

type Point = Record<string, unknown>;

function readMetrics(bytes: Uint8Array): Record<string, { points: Point[]; temporality: number | undefined; metric: object }> {
  const message = JSON.parse(Buffer.from(bytes).toString()) as {
    resourceMetrics: { scopeMetrics: { metrics: Record<string, { dataPoints?: Point[]; aggregationTemporality?: number }>[] }[] }[];
  };
  return Object.fromEntries(
    message.resourceMetrics[0].scopeMetrics[0].metrics.map((metric) => {
      const [data] = ['sum', 'gauge', 'histogram'].flatMap((kind) => (kind in metric ? [metric[kind]] : []));
      return [metric.name as unknown as string, { points: data.dataPoints!, temporality: data.aggregationTemporality, metric }];
    }),
  );
} // biome-ignore format: shape of a message

describe('metrics', () => {
  test('since the start are sums, histograms and gauges with their units', () => {
    const told = readMetrics(toOtlpMetrics(count(3), { ...OPTIONS, timeMs: 9000, before: null }));
    const requests = told['modelward.requests'];
    expect(requests.metric).toMatchObject({ unit: '{request}', sum: { isMonotonic: true, aggregationTemporality: 2 } });
    expect(requests.points).toMatchObject([
      { asDouble: 3, startTimeUnixNano: '1000000000', timeUnixNano: '9000000000' },
    ]);
    const [duration] = told['http.server.request.duration'].points;
    expect(duration).toMatchObject({ count: '3', sum: 3 / 1024 });
    expect(duration.bucketCounts).toHaveLength((duration.explicitBounds as number[]).length + 1);
    expect(told.g.points).toMatchObject([{ asDouble: 3 }]);
  });

  test('of changes tell what came since the last message; a process that began anew is told whole', () => {
    const before = { metrics: count(5), timeMs: 9000 };
    const tell = (requests: number) =>
      readMetrics(toOtlpMetrics(count(requests), { ...OPTIONS, timeMs: 12_000, before }));
    const more = tell(8);
    expect(more['modelward.requests']).toMatchObject({
      temporality: 1,
      points: [{ asDouble: 3, startTimeUnixNano: '9000000000' }],
    });
    expect(more['http.server.request.duration'].points).toMatchObject([{ count: '3' }]);
    expect(more.g.points).toMatchObject([{ asDouble: 8 }]);
    const anew = tell(2);
    expect(anew['modelward.requests'].points).toMatchObject([{ asDouble: 2 }]);
    expect(anew['http.server.request.duration'].points).toMatchObject([{ count: '2' }]);
  });
});

describe('sending', () => {
  /** A collector that answers as it is told, for so many rounds. */
  function createRun(answers: readonly (string | null)[], changes: Partial<TelemetryOptions> = {}) {
    const ending = new AbortController();
    const sent: [string, Uint8Array][] = [];
    const troubles: string[] = [];
    const pauses: number[] = [];
    let [at, requests, timeMs] = [0, 0, 5000];
    const spans = createSpanQueue();
    const run = runTelemetry({
      ...{ ...OPTIONS, spans, temporality: 'delta', everyMs: 10, signal: ending.signal },
      clock: { nowMs: () => timeMs },
      link: {
        send: async (signal, body) => {
          await Promise.resolve();
          const answer = signal === 'metrics' ? answers[Math.min(at++, answers.length - 1)] : null;
          if (at >= answers.length) ending.abort();
          if (answer !== null) throw new GatewayError(answer as 'TELEMETRY_UNAVAILABLE');
          sent.push([signal, body]);
        },
      },
      readMetrics: () => Promise.resolve(count((requests += 10))),
      pause: (ms) => {
        pauses.push(ms);
        timeMs += ms;
        return Promise.resolve();
      },
      onTrouble: (code) => troubles.push(code),
      ...changes,
    });
    return { run, sent, troubles, pauses, spans };
  }

  test('goes on through a collector that is away: told once, asked ever more seldom, and nothing of the counts is lost', async () => {
    const away = 'TELEMETRY_UNAVAILABLE';
    const { run, sent, troubles, pauses } = createRun([null, away, away, away, null, away, null]);
    await run;
    expect(troubles).toEqual([away, away]);
    expect(pauses.filter((ms) => ms !== 10)).toEqual([1000, 2000, 4000, 1000]);
    const told = sent.map(([, body]) => readMetrics(body)['modelward.requests'].points[0].asDouble);
    expect(told).toEqual([10, 40, 20]);
  });

  test('takes spans in parts of a bounded size', async () => {
    const { run, sent, spans } = createRun([null, null]);
    for (let at = 0; at < 1200; at += 1) spans.add(SPAN);
    await run;
    const sizes = sent
      .filter(([signal]) => signal === 'traces')
      .map(([, body]) => Buffer.from(body).toString().split('"kind":2').length - 1);
    expect(sizes).toEqual([512, 512, 176]);
  });
});
