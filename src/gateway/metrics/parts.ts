/** Numbers that the parts of a gateway keep themselves, read when somebody looks. */
import { BATCH_FAMILIES } from './families.ts';
import type { FamilyTerms, Fold, ListenerSample, MetricKind, ReadProcess } from './ports.ts';
import type { MetricsRegistry } from './registry.ts';

/** Models and servers behind, as far as they are counted. */
export interface ServedNow {
  readonly name: string;
  readonly version: string;
  readonly isReady: boolean;
  /** Requests that wait or run. */
  readonly load: number;
}

export interface GatewayNumbers {
  /** Requests at work. */
  readonly inFlight: () => number;
  readonly models: () => readonly ServedNow[];
  /** Servers behind, by name, and whether they were ready when they were asked last. */
  readonly upstreams: () => readonly { readonly name: string; readonly isReady: boolean }[];
  /** Bytes of rows that wait for the database. */
  readonly spoolBytes: () => number;
  readonly logRows: () => number;
  /** How often rows that a process left could not be read, and were put aside. */
  readonly logSetAside?: () => number;
  readonly readProcess: ReadProcess;
}

type Row = readonly [name: string, help: string, unit: string, fold: Fold, kind: MetricKind, labels: readonly string[]];

function toTerms([name, help, unit, fold, kind, labels]: Row): FamilyTerms {
  return { name, help, unit, fold, kind, labels };
}

const MODEL = ['model', 'version'] as const;

/** To be called once for each process that serves. */
export function observeGateway(registry: MetricsRegistry, numbers: GatewayNumbers): void {
  const { inFlight, models, upstreams, spoolBytes, logRows, logSetAside = () => 0 } = numbers;
  const gauge = (name: string, help: string, unit: string, fold: Fold, labels: readonly string[]): FamilyTerms =>
    toTerms([name, help, unit, fold, 'gauge', labels]);
  const active = gauge('http.server.active_requests', 'Requests at work.', '{request}', 'sum', []);
  registry.observe(active, inFlight);
  const ready = gauge(
    'modelward.model.ready',
    'Whether a model can be asked: of several processes, all.',
    '',
    'min',
    MODEL,
  );
  registry.observe(ready, () => models().map(({ name, version, isReady }) => [[name, version], isReady ? 1 : 0]));
  const load = gauge('modelward.model.requests', 'Requests that wait for a model, or run.', '{request}', 'sum', MODEL);
  registry.observe(load, () => models().map((model) => [[model.name, model.version], model.load]));
  const up = gauge('modelward.upstream.ready', 'Whether a server behind was ready when asked last.', '', 'min', [
    'upstream',
  ]);
  registry.observe(up, () => upstreams().map(({ name, isReady }) => [[name], isReady ? 1 : 0]));
  const spool = gauge('modelward.log.spool', 'Rows of the log that wait for the database.', 'By', 'sum', []);
  registry.observe(spool, spoolBytes);
  const rows = toTerms(['modelward.log.rows', 'Rows of the log.', '{row}', 'sum', 'counter', []]);
  registry.observe(rows, logRows);
  const aside = 'Folders of rows that could not be read, and were put aside.';
  registry.observe(toTerms(['modelward.log.set_aside', aside, '{folder}', 'sum', 'counter', []]), logSetAside);
  observeProcess(registry, numbers.readProcess);
}

/** One sample serves all numbers of one look. */
function observeProcess(registry: MetricsRegistry, readProcess: ReadProcess): void {
  let sample = readProcess();
  const memory = ['process.memory.usage', 'Resident memory.', 'By', 'each', 'gauge', []] as const;
  registry.observe(toTerms(memory), () => {
    sample = readProcess();
    return sample.residentBytes;
  });
  const heap = ['v8js.memory.heap.used', 'Heap of JavaScript in use.', 'By', 'each', 'gauge', []] as const;
  registry.observe(toTerms(heap), () => sample.heapUsedBytes);
  const cpu = ['process.cpu.time', 'Time of all cores, user and system.', 's', 'each', 'counter', []] as const;
  registry.observe(toTerms(cpu), () => sample.cpuSeconds);
  const busy = [
    'nodejs.eventloop.utilization',
    'Time in which the event loop had work.',
    '1',
    'each',
    'gauge',
    [],
  ] as const;
  registry.observe(toTerms(busy), () => sample.loopUtilization);
  for (const part of ['p50', 'p99', 'max'] as const) {
    const help = `How late the event loop came since the last look: ${part}.`;
    const terms = toTerms([`nodejs.eventloop.delay.${part}`, help, 's', 'each', 'gauge', []]);
    registry.observe(terms, () => sample.loopDelay[part]);
  }
}

/** @param listeners by name, such as `data` and `admin` */
export function observeListeners(
  registry: MetricsRegistry,
  listeners: () => readonly (readonly [name: string, sample: ListenerSample])[],
): void {
  const each = (row: Row, pick: (sample: ListenerSample) => number): void => {
    registry.observe(toTerms(row), () => listeners().map(([name, sample]) => [[name], pick(sample)]));
  };
  const own = ['listener'] as const;
  const count = (name: string, help: string, unit: string): Row => [name, help, unit, 'sum', 'counter', own];
  each(
    ['modelward.connections.now', 'Open connections.', '{connection}', 'sum', 'gauge', own],
    (now) => now.connectionsNow,
  );
  each(['modelward.bodies.memory', 'Bodies in memory.', 'By', 'sum', 'gauge', own], (now) => now.bodiesBytesNow);
  each(count('modelward.connections', 'Connections that were taken.', '{connection}'), (now) => now.connections);
  each(
    count('modelward.connections.refused', 'Connections above the share of their peer.', '{connection}'),
    (now) => now.connectionsRefused,
  );
  each(
    count('modelward.handshakes.failed', 'TLS handshakes that failed.', '{connection}'),
    (now) => now.handshakesFailed,
  );
  each(count('modelward.answers.cut', 'Answers that were not taken whole.', '{answer}'), (now) => now.answersCut);
  each(count('modelward.floods', 'Connections that were ended for floods.', '{connection}'), (now) => now.floods);
  const refusals: Row = [
    'modelward.listener.refusals', 'Requests that were refused before they were any.', '{request}', 'sum', 'counter', ['listener', 'code'],
  ]; // biome-ignore format: one row
  registry.observe(toTerms(refusals), () =>
    listeners().flatMap(([name, sample]) =>
      Object.entries(sample.refusals).map(([code, value]) => [[name, code], value] as const),
    ),
  );
  observeCertificates(registry, listeners);
}

function observeCertificates(registry: MetricsRegistry, listeners: Parameters<typeof observeListeners>[1]): void {
  const own = ['listener'] as const;
  const each = (row: Row, pick: (tls: NonNullable<ListenerSample['tls']>) => number): void => {
    registry.observe(toTerms(row), () =>
      listeners().flatMap(([name, { tls }]) => (tls === null ? [] : [[[name], pick(tls)] as const])),
    );
  };
  const end = 'End of the certificate, or of one above it, since 1970.';
  each(['modelward.tls.certificate.end', end, 's', 'min', 'gauge', own], ({ notAfterMs }) => notAfterMs / 1000);
  each(
    ['modelward.tls.reloads', 'Files that were taken anew.', '{reload}', 'sum', 'counter', own],
    ({ reloads }) => reloads,
  );
  const refused = 'New files that could not be taken; the old ones stay.';
  each(
    ['modelward.tls.reloads.refused', refused, '{reload}', 'sum', 'counter', own],
    ({ reloadsRefused }) => reloadsRefused,
  );
}

/** @param version of the program */
export function observeBuild(registry: MetricsRegistry, version: string): void {
  const terms = toTerms(['modelward.build.info', 'Version of the program.', '', 'max', 'gauge', ['version']]);
  registry.observe(terms, () => [[[version], 1]]);
}

/** Counts configurations that were taken up while the gateway ran, and those that were refused. */
export function createReloadMeter(registry: MetricsRegistry): (isTaken: boolean) => void {
  const own = ['outcome'] as const;
  const help = 'Configurations that were to be taken up.';
  const outcomes = registry.counter(toTerms(['modelward.config.reloads', help, '{reload}', 'sum', 'counter', own]));
  const [taken, refused] = [outcomes(['taken']), outcomes(['refused'])];
  return (isTaken) => {
    (isTaken ? taken : refused).value += 1;
  };
}

/** Counts runs of models: for `onRun` of each served model. */
export function createRunMeter(registry: MetricsRegistry) {
  const rows = registry.histogram(BATCH_FAMILIES.rows);
  const requests = registry.histogram(BATCH_FAMILIES.requests);
  return (name: string, version: string) => {
    const [ofRows, ofRequests] = [rows([name, version]), requests([name, version])];
    return (run: { readonly rows: number; readonly requests: number }): void => {
      ofRows.observe(run.rows);
      ofRequests.observe(run.requests);
    };
  };
}
