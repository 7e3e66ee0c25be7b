/** Counts of several processes as one: what a scrape of a cluster shows never depends on which process was asked. */
import type { Family, HistogramValue, Metrics, Series } from './ports.ts';

export interface MetricsOfWorker {
  /** Label of what is told for each process alone. */
  readonly worker: string;
  readonly metrics: Metrics;
}

/** Families of one name must have the same terms: those of the first are kept, what does not fit them is left out. */
export function mergeMetrics(all: readonly MetricsOfWorker[]): Metrics {
  const merged = new Map<string, Merging>();
  for (const { worker, metrics } of all) {
    for (const family of metrics.families) {
      const known = merged.get(family.name) ?? { terms: family, series: new Map<string, Series>() };
      merged.set(family.name, known);
      if (isAlike(known.terms, family)) addFamily(known, family, worker);
    }
  }
  const families = Array.from(merged.values(), ({ terms, series }) => ({
    ...terms,
    labels: terms.fold === 'each' ? [...terms.labels, 'worker'] : terms.labels,
    series: [...series.values()],
  }));
  return { families, startedMs: Math.min(...all.map(({ metrics }) => metrics.startedMs)) };
}

interface Merging {
  readonly terms: Family;
  readonly series: Map<string, Series>;
}

function isAlike(a: Family, b: Family): boolean {
  const [one, other] = [a, b].map(({ kind, fold, labels, bounds }) => JSON.stringify([kind, fold, labels, bounds]));
  return one === other;
}

function addFamily({ terms, series }: Merging, family: Family, worker: string): void {
  for (const one of family.series) {
    const labels = terms.fold === 'each' ? [...one.labels, worker] : one.labels;
    const name = JSON.stringify(labels);
    const known = series.get(name);
    const value = known === undefined ? one.value : foldValues(terms, known.value, one.value);
    series.set(name, { labels, value });
  }
}

function foldValues({ fold }: Family, a: Series['value'], b: Series['value']): Series['value'] {
  if (typeof a !== 'number' || typeof b !== 'number') return addHistograms(a as HistogramValue, b as HistogramValue);
  if (fold === 'max') return Math.max(a, b);
  return fold === 'min' ? Math.min(a, b) : a + b;
}

function addHistograms(a: HistogramValue, b: HistogramValue): HistogramValue {
  return { counts: a.counts.map((count, at) => count + b.counts[at]), sum: a.sum + b.sum };
}

/** What stays of a process that ended: its counters and histograms, so that sums never go down; no gauges. */
export function toLasting({ families, startedMs }: Metrics): Metrics {
  const lasting = families.filter(({ kind, fold }) => kind !== 'gauge' && fold === 'sum');
  return { families: lasting, startedMs };
}
