/** One page for a cluster: the first process asks its workers, and remembers those that ended. */
import { METRICS_LIMITS } from '../../core/limits/metrics.ts';
import type { MessageLine } from '../limits/ports.ts';
import { mergeMetrics, toLasting } from './merge.ts';
import type { Metrics } from './ports.ts';

const ASK = 'metrics-ask';
const TELL = 'metrics-tell';

interface Ask {
  readonly kind: typeof ASK;
  readonly id: number;
}

interface Tell {
  readonly kind: typeof TELL;
  readonly id: number;
  readonly metrics: Metrics;
}

/** In a worker: answers what the first process asks. */
export function serveMetrics(line: MessageLine, read: () => Metrics): void {
  line.onMessage((message) => {
    if (isOf<Ask>(message, ASK)) line.send({ kind: TELL, id: message.id, metrics: read() } satisfies Tell);
  });
}

export interface ClusterMetrics {
  /**
   * Counts of a worker are part of the page from now on, and stay so when it ends.
   * @param name of its place among the workers, which the one that replaces it has, too: a label
   */
  join(name: string, line: MessageLine): void;
  /** Of all processes; a worker that does not answer in time is as it was last. Never rejects. */
  read(): Promise<Metrics>;
}

export interface ClusterMetricsOptions {
  /** Of the first process itself. */
  readonly own: () => Metrics;
  /** Calls `work` after so long, unless it is taken back. */
  readonly after: (ms: number, work: () => void) => () => void;
}

interface Worker {
  readonly name: string;
  readonly line: MessageLine;
  last: Metrics | null;
  onTold: ((id: number) => void) | null;
}

export function createClusterMetrics({ own, after }: ClusterMetricsOptions): ClusterMetrics {
  const workers = new Set<Worker>();
  let ended: Metrics | null = null;
  let nextId = 1;

  const retire = (worker: Worker): void => {
    if (!workers.delete(worker)) return;
    worker.onTold?.(-1);
    if (worker.last === null) return;
    const before = ended === null ? [] : [{ worker: 'ended', metrics: ended }];
    ended = mergeMetrics([...before, { worker: 'ended', metrics: toLasting(worker.last) }]);
  };
  const ask = (worker: Worker): Promise<void> =>
    new Promise((done) => {
      const id = nextId++;
      const takeBack = after(METRICS_LIMITS.workerTimeoutMs, () => {
        worker.onTold?.(id);
      });
      worker.onTold = (told) => {
        if (told !== id && told !== -1) return;
        worker.onTold = null;
        takeBack();
        done();
      };
      if (!worker.line.send({ kind: ASK, id } satisfies Ask)) retire(worker);
    });
  const askAll = async (): Promise<Metrics> => {
    await Promise.all([...workers].map(ask));
    const told = [...workers].flatMap(({ name, last }) => (last === null ? [] : [{ worker: name, metrics: last }]));
    const before = ended === null ? [] : [{ worker: 'ended', metrics: ended }];
    return mergeMetrics([{ worker: '0', metrics: own() }, ...told, ...before]);
  };
  let asking: Promise<Metrics> | null = null;
  return {
    join: (name, line) => {
      const worker: Worker = { name, line, last: null, onTold: null };
      workers.add(worker);
      line.onMessage((message) => {
        if (!isOf<Tell>(message, TELL)) return;
        worker.last = message.metrics;
        worker.onTold?.(message.id);
      });
      line.onEnd(() => {
        retire(worker);
      });
    },
    // Those who look at the same moment share one round of questions.
    read: () =>
      (asking ??= askAll().finally(() => {
        asking = null;
      })),
  };
}

function isOf<Message extends { readonly kind: string }>(message: unknown, kind: Message['kind']): message is Message {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === kind;
}
