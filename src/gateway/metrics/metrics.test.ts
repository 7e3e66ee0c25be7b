import { describe, expect, test } from 'vitest';
import { METRICS_LIMITS } from '../../core/limits/metrics.ts';
import { makePrincipal } from '../../../test/fakes/api-keys.ts';
import type { MessageLine } from '../limits/ports.ts';
import type { Answered, LimitVerdict } from '../ports.ts';
import {
  createCallerBoard,
  createClusterMetrics,
  createLimiterMeter,
  createMeter,
  createRunMeter,
  mergeMetrics,
  MetricsRegistry,
  observeGateway,
  observeListeners,
  serveMetrics,
  toPrometheusName,
  toPrometheusText,
} from './index.ts';
import type { ListenerSample, Metrics, ProcessSample } from './ports.ts';

const ANSWERED: Answered = {
  ...{ protocol: 'oip', model: 'digits', route: '', requestId: 'r', principalId: 'key:k_1', status: 200, code: null },
  ...{ durationUs: 800, items: 3, inputBytes: 100, answerBytes: 50 },
};

/** Lines of a page without its comments. */
function linesOf(metrics: Metrics): string[] {
  return toPrometheusText(metrics)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function createMetered() {
  const registry = new MetricsRegistry(0);
  return { registry, meter: createMeter(registry) };
}

describe('a meter', () => {
  test('counts requests by protocol, model, status and code; durations, items and bytes', () => {
    const { registry, meter } = createMetered();
    meter.onAnswer({ ...ANSWERED, durationUs: 1e6 / 1024 });
    meter.onAnswer({ ...ANSWERED, durationUs: 1e6 / 32 });
    meter.onAnswer({ ...ANSWERED, status: 429, code: 'GATEWAY_RATE_LIMITED', items: 0, answerBytes: 0 });
    const lines = linesOf(registry.read());
    const of = 'protocol="oip",model="digits"';
    expect(lines).toContain(`modelward_requests_total{${of},status="200",code=""} 2`);
    expect(lines).toContain(`modelward_requests_total{${of},status="429",code="GATEWAY_RATE_LIMITED"} 1`);
    expect(lines).toContain(`modelward_items_total{${of}} 6`);
    expect(lines).toContain(`modelward_request_body_size_bytes_total{${of}} 300`);
    expect(lines).toContain(`modelward_answer_body_size_bytes_total{${of}} 100`);
    const good = `${of},http_response_status_code="200"`;
    expect(lines).toContain(`http_server_request_duration_seconds_bucket{${good},le="0.0005"} 0`);
    expect(lines).toContain(`http_server_request_duration_seconds_bucket{${good},le="0.001"} 1`);
    expect(lines).toContain(`http_server_request_duration_seconds_bucket{${good},le="0.025"} 1`);
    expect(lines).toContain(`http_server_request_duration_seconds_bucket{${good},le="0.05"} 2`);
    expect(lines).toContain(`http_server_request_duration_seconds_bucket{${good},le="+Inf"} 2`);
    expect(lines).toContain(`http_server_request_duration_seconds_count{${good}} 2`);
    expect(lines).toContain(`http_server_request_duration_seconds_sum{${good}} 0.0322265625`);
  });

  test('has no label of a caller: neither his name nor a status or code that no list has', () => {
    const { registry, meter } = createMetered();
    for (let at = 0; at < 50; at += 1) {
      meter.onAnswer({ ...ANSWERED, protocol: null, model: null, principalId: `key:${at}`, status: 1000 + at });
      meter.onAnswer({ ...ANSWERED, status: 502, code: `FREE_TEXT_${at}` });
    }
    const lines = linesOf(registry.read()).filter((line) => line.startsWith('modelward_requests'));
    expect(lines).toEqual([
      'modelward_requests_total{protocol="",model="",status="other",code=""} 50',
      'modelward_requests_total{protocol="oip",model="digits",status="502",code="other"} 50',
    ]);
    expect(toPrometheusText(registry.read())).not.toContain('key:');
  });

  test('of text models has the names of the conventions for generative AI', () => {
    const { registry, meter } = createMetered();
    meter.onAnswer({ ...ANSWERED, protocol: 'openai', route: 'chat/completions' });
    meter.onAnswer({ ...ANSWERED, protocol: 'openai', route: 'completions', durationUs: 100e6 });
    const lines = linesOf(registry.read()).filter((line) => line.startsWith('gen_ai') && line.includes('_count'));
    const labels = (operation: string) =>
      `gen_ai_operation_name="${operation}",gen_ai_request_model="digits",error_type=""`;
    expect(lines).toEqual([
      `gen_ai_server_request_duration_seconds_count{${labels('chat')}} 1`,
      `gen_ai_server_request_duration_seconds_count{${labels('text_completion')}} 1`,
    ]);
  });

  test('shows callers when it is asked to: those that ask most, and flagged ones, exactly', () => {
    const registry = new MetricsRegistry(0);
    const flagged = new Set(['key:quiet']);
    const meter = createMeter(registry, createCallerBoard(registry, { top: 2, flagged: () => flagged }));
    const ask = (principalId: string, times: number) => {
      for (let at = 0; at < times; at += 1) meter.onAnswer({ ...ANSWERED, principalId });
    };
    ask('key:a', 5);
    ask('key:b', 9);
    ask('key:c', 7);
    ask('key:quiet', 1);
    const shown = () => linesOf(registry.read()).filter((line) => line.startsWith('modelward_caller'));
    const line = (id: string, count: number) => `modelward_caller_requests_total{caller="key:${id}"} ${count}`;
    expect(shown()).toEqual([line('b', 9), line('c', 7), line('quiet', 1)]);
    ask('key:a', 5);
    flagged.clear();
    expect(shown()).toEqual([line('a', 10), line('b', 9)]);
  });

  test('counts by which limit a request was refused, and changes no verdict', async () => {
    const registry = new MetricsRegistry(0);
    const verdict = (refusedBy: LimitVerdict['refusedBy']): LimitVerdict => ({
      ...{ isAdmitted: refusedBy === null, refusedBy, retryAfterMs: 1, remaining: 0, resetMs: 1 },
      refund: () => undefined,
    });
    const verdicts = [verdict(null), verdict('rate'), verdict('daily'), verdict('store')];
    let next = 0;
    const limiter = createLimiterMeter(registry)({
      charge: () => (next % 2 === 0 ? verdicts[next++] : Promise.resolve(verdicts[next++])),
    });
    const given = [];
    for (let at = 0; at < 4; at += 1) {
      given.push(await limiter.charge(makePrincipal(), 'digits', { requests: 1, items: 1 }));
    }
    expect(given).toEqual(verdicts);
    expect(linesOf(registry.read())).toEqual(
      ['rate', 'daily', 'lifetime', 'store'].map(
        (limit) => `modelward_limit_refusals_total{limit="${limit}"} ${limit === 'lifetime' ? 0 : 1}`,
      ),
    );
  });
});

describe('a registry', () => {
  test('holds so many series, and those beyond as one', () => {
    const registry = new MetricsRegistry(0);
    const find = registry.counter({ name: 'things', help: '', unit: '{thing}', labels: ['name'] });
    for (let at = 0; at < METRICS_LIMITS.seriesMax + 10; at += 1) find([`name ${at}`]).add(1);
    const [{ series }] = registry.read().families;
    expect(series).toHaveLength(METRICS_LIMITS.seriesMax + 1);
    expect(series.at(-1)).toEqual({ labels: ['other'], value: 10 });
  });

  test('keeps sets of labels apart that look alike when joined', () => {
    const registry = new MetricsRegistry(0);
    const find = registry.counter({ name: 'things', help: '', unit: '1', labels: ['a', 'b'] });
    find(['x","y', 'z']).add(1);
    find(['x', 'y","z']).add(2);
    expect(registry.read().families[0].series.map(({ value }) => value)).toEqual([1, 2]);
  });

  test('turns no counter back, and has no name twice', () => {
    const registry = new MetricsRegistry(0);
    const terms = { name: 'things', help: '', unit: '1', labels: [] };
    const counter = registry.counter(terms)([]);
    for (const amount of [2, -5, Number.NaN]) counter.add(amount);
    expect(counter.value).toBe(2);
    expect(() => registry.counter(terms)).toThrow(TypeError);
  });
});

describe('names of Prometheus', () => {
  test.each([
    ['http.server.request.duration', 's', 'histogram', 'http_server_request_duration_seconds'],
    ['modelward.requests', '{request}', 'counter', 'modelward_requests_total'],
    ['process.memory.usage', 'By', 'gauge', 'process_memory_usage_bytes'],
    ['nodejs.eventloop.utilization', '1', 'gauge', 'nodejs_eventloop_utilization_ratio'],
    ['process.cpu.time', 's', 'counter', 'process_cpu_time_seconds_total'],
  ] as const)('%s in %s, a %s, is %s', (name, unit, kind, expected) => {
    expect(toPrometheusName({ name, unit, kind })).toBe(expected);
  });

  test('texts of labels and help are escaped, numbers beyond all bounds written as Go reads them', () => {
    const registry = new MetricsRegistry(0);
    const terms = { name: 'x', help: 'a\\b\nc', kind: 'gauge', unit: '', fold: 'sum', labels: ['l'] } as const;
    registry.observe(terms, () => [
      [['q"\\\n'], Infinity],
      [['n'], Number.NaN],
      [['m'], -Infinity],
    ]);
    expect(toPrometheusText(registry.read())).toBe(
      '# HELP x a\\\\b\\nc\n# TYPE x gauge\nx{l="q\\"\\\\\\n"} +Inf\nx{l="n"} NaN\nx{l="m"} -Inf\n',
    );
  });
});

const PROCESS: ProcessSample = {
  ...{ residentBytes: 100e6, heapUsedBytes: 20e6, cpuSeconds: 1.5, loopUtilization: 0.25 },
  loopDelay: { p50: 0.001, p99: 0.004, max: 0.02 },
};

const LISTENER: ListenerSample = {
  ...{ connectionsNow: 3, bodiesBytesNow: 10, connections: 7, connectionsRefused: 1, handshakesFailed: 2 },
  ...{ answersCut: 4, floods: 5, refusals: { GATEWAY_FRAMING: 6 } },
  tls: { reloads: 1, reloadsRefused: 2, notAfterMs: 1_800_000_000_000 },
};

test('parts of a gateway are read when somebody looks', () => {
  const registry = new MetricsRegistry(0);
  observeGateway(registry, {
    inFlight: () => 2,
    models: () => [{ name: 'digits', version: '1', isReady: true, load: 9 }],
    upstreams: () => [{ name: 'triton', isReady: false }],
    ...{ spoolBytes: () => 4096, logRows: () => 12, logSetAside: () => 1, readProcess: () => PROCESS },
  });
  observeListeners(registry, () => [
    ['data', LISTENER],
    ['admin', { ...LISTENER, tls: null }],
  ]);
  const lines = linesOf(registry.read());
  for (const line of [
    'http_server_active_requests 2',
    'modelward_model_ready{model="digits",version="1"} 1',
    'modelward_model_requests{model="digits",version="1"} 9',
    'modelward_upstream_ready{upstream="triton"} 0',
    'modelward_log_spool_bytes 4096',
    'modelward_log_rows_total 12',
    'modelward_log_set_aside_total 1',
    'process_memory_usage_bytes 100000000',
    'process_cpu_time_seconds_total 1.5',
    'nodejs_eventloop_delay_p99_seconds 0.004',
    'modelward_connections_total{listener="admin"} 7',
    'modelward_listener_refusals_total{listener="data",code="GATEWAY_FRAMING"} 6',
    'modelward_tls_certificate_end_seconds{listener="data"} 1800000000',
  ]) {
    expect(lines).toContain(line);
  }
  expect(lines.filter((line) => line.includes('certificate'))).toHaveLength(1);
});

test('runs of a model are counted by their rows and requests', () => {
  const registry = new MetricsRegistry(0);
  const onRun = createRunMeter(registry)('digits', '1');
  onRun({ rows: 32, requests: 8 });
  onRun({ rows: 1, requests: 1 });
  const lines = linesOf(registry.read());
  expect(lines).toContain('modelward_run_rows_sum{model="digits",version="1"} 33');
  expect(lines).toContain('modelward_run_requests_bucket{model="digits",version="1",le="1"} 1');
});

describe('counts of several processes', () => {
  const count = (requests: number, rss: number): Metrics => {
    const registry = new MetricsRegistry(requests);
    const meter = createMeter(registry);
    for (let at = 0; at < requests; at += 1) meter.onAnswer(ANSWERED);
    const of = { help: '', unit: 'By', kind: 'gauge', labels: [] } as const;
    registry.observe({ ...of, name: 'own', fold: 'each' }, () => rss);
    registry.observe({ ...of, name: 'least', fold: 'min' }, () => rss);
    registry.observe({ ...of, name: 'most', fold: 'max' }, () => rss);
    return registry.read();
  };

  test('are added, or kept apart, as each family says; in any order the same', () => {
    const [a, b] = [
      { worker: '1', metrics: count(3, 10) },
      { worker: '2', metrics: count(4, 20) },
    ];
    const lines = linesOf(mergeMetrics([a, b]));
    expect(lines).toContain('modelward_requests_total{protocol="oip",model="digits",status="200",code=""} 7');
    expect(lines.find((line) => line.includes('le="+Inf"'))).toMatch(/ 7$/);
    expect(lines.filter((line) => /^(own|least|most)/.test(line))).toEqual([
      'own_bytes{worker="1"} 10',
      'own_bytes{worker="2"} 20',
      'least_bytes 10',
      'most_bytes 20',
    ]);
    expect(linesOf(mergeMetrics([b, a])).sort()).toEqual(lines.sort());
    expect(mergeMetrics([a, b]).startedMs).toBe(3);
  });

  test('what does not fit the first process is left out', () => {
    const other = count(1, 1);
    const families = other.families.map((family) => ({ ...family, labels: [...family.labels, 'more'] }));
    const merged = mergeMetrics([
      { worker: '1', metrics: count(3, 10) },
      { worker: '2', metrics: { ...other, families } },
    ]);
    expect(linesOf(merged)).toContain('modelward_requests_total{protocol="oip",model="digits",status="200",code=""} 3');
  });

  /** Two ends of a line; messages are copied, as between processes. */
  function createLines() {
    const nothing: (message?: unknown) => void = () => undefined;
    const ends = [0, 1].map(() => ({ listen: nothing, end: nothing }));
    let isOpen = true;
    const toLine = (own: number): MessageLine => ({
      send: (message) => {
        const copy = structuredClone(message);
        if (isOpen) {
          queueMicrotask(() => {
            ends[1 - own].listen(copy);
          });
        }
        return isOpen;
      },
      onMessage: (listen) => {
        ends[own].listen = listen;
      },
      onEnd: (end) => {
        ends[own].end = end;
      },
    });
    const cut = () => {
      isOpen = false;
      for (const { end } of ends) end();
    };
    return { first: toLine(0), second: toLine(1), cut };
  }

  function createCluster() {
    const timers: (() => void)[] = [];
    const after = (_ms: number, work: () => void) => {
      timers.push(work);
      return () => undefined;
    };
    return { cluster: createClusterMetrics({ own: () => count(1, 1), after }), timers };
  }

  const totalOf = (metrics: Metrics) =>
    Number(/modelward_requests_total\{.*\} (\d+)/.exec(toPrometheusText(metrics))?.[1]);

  test('are one page; a worker that ended leaves its counts and takes its gauges along', async () => {
    const { cluster } = createCluster();
    const [one, two] = [createLines(), createLines()];
    serveMetrics(one.second, () => count(10, 5));
    serveMetrics(two.second, () => count(20, 6));
    cluster.join('1', one.first);
    cluster.join('2', two.first);
    expect(totalOf(await cluster.read())).toBe(31);
    two.cut();
    const page = await cluster.read();
    expect(totalOf(page)).toBe(31);
    expect(linesOf(page).filter((line) => line.startsWith('own'))).toEqual([
      'own_bytes{worker="0"} 1',
      'own_bytes{worker="1"} 5',
    ]);
    const three = createLines();
    serveMetrics(three.second, () => count(2, 7));
    cluster.join('2', three.first);
    expect(totalOf(await cluster.read())).toBe(33);
  });

  test('do not wait for a worker that hangs: it is shown as it was last', async () => {
    const { cluster, timers } = createCluster();
    const line = createLines();
    let isHanging = false;
    serveMetrics({ ...line.second, send: (message) => isHanging || line.second.send(message) }, () => count(10, 5));
    cluster.join('1', line.first);
    expect(totalOf(await cluster.read())).toBe(11);
    isHanging = true;
    const page = cluster.read();
    await Promise.resolve();
    for (const work of timers) work();
    expect(totalOf(await page)).toBe(11);
  });
});
