/**
 * Counters, gauges and histograms of one process. An own registry instead of prom-client: what is counted for each request costs
 * a few additions, the number of series is bounded, and counts of several processes are plain values that can be added.
 */
import { METRICS_LIMITS } from '../../core/limits/metrics.ts';
import type { FamilyTerms, Metrics, Series } from './ports.ts';

/** Counts up. */
export class Counter {
  value = 0;

  /** @param amount 0 or more; anything else would turn a counter back */
  add(amount: number): void {
    if (amount > 0) this.value += amount;
  }
}

/** How many values were at most each bound. */
export class Histogram {
  sum = 0;
  readonly counts: Float64Array;
  readonly #bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > bounds[at]) at += 1;
    this.counts[at] += 1;
    this.sum += value;
  }
}

/** Series of one name; those beyond the cap are one, whose labels are all "other". */
class SeriesTable<Item> {
  readonly #make: () => Item;
  readonly #bySet = new Map<string, { readonly labels: readonly string[]; readonly item: Item }>();

  constructor(make: () => Item) {
    this.#make = make;
  }

  with(labels: readonly string[]): Item {
    const known = this.#bySet.get(toSetName(labels));
    if (known !== undefined) return known.item;
    const isFull = this.#bySet.size >= METRICS_LIMITS.seriesMax;
    const kept = isFull ? labels.map(() => OTHER) : labels;
    const name = toSetName(kept);
    const item = this.#bySet.get(name)?.item ?? this.#make();
    this.#bySet.set(name, { labels: kept, item });
    return item;
  }

  list(): IterableIterator<{ readonly labels: readonly string[]; readonly item: Item }> {
    return this.#bySet.values();
  }
}

const OTHER = 'other';

/** No label holds the separator unescaped: two sets never have one name. */
function toSetName(labels: readonly string[]): string {
  return JSON.stringify(labels);
}

/** Finds the counter or histogram of labels. Not for each request: keep what it gives. */
export type Find<Item> = (labels: readonly string[]) => Item;

type Terms = Omit<FamilyTerms, 'kind' | 'fold' | 'bounds'>;

/** What a gauge reads when somebody looks: one number, or one for each set of labels. */
export type ReadGauge = () => number | Iterable<readonly [labels: readonly string[], value: number]>;

export class MetricsRegistry {
  readonly #startedMs: number;
  readonly #families: { readonly terms: FamilyTerms; readonly read: () => Series[] }[] = [];

  /** @param startedMs since 1970 */
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  counter(terms: Terms): Find<Counter> {
    const table = new SeriesTable(() => new Counter());
    this.#add({ ...terms, kind: 'counter', fold: 'sum' }, () =>
      Array.from(table.list(), ({ labels, item }) => ({ labels, value: item.value })),
    );
    return (labels) => table.with(labels);
  }

  histogram(terms: Terms & { readonly bounds: readonly number[] }): Find<Histogram> {
    const table = new SeriesTable(() => new Histogram(terms.bounds));
    this.#add({ ...terms, kind: 'histogram', fold: 'sum' }, () =>
      Array.from(table.list(), ({ labels, item: { counts, sum } }) => ({
        labels,
        value: { counts: [...counts], sum },
      })),
    );
    return (labels) => table.with(labels);
  }

  /** Numbers that somebody else keeps: a gauge, or a counter that never goes down. */
  observe(terms: Omit<FamilyTerms, 'bounds'>, read: ReadGauge): void {
    this.#add(terms, () => {
      const found = read();
      if (typeof found === 'number') return [{ labels: [], value: found }];
      const series = Array.from(found, ([labels, value]) => ({ labels, value }));
      return series.slice(0, METRICS_LIMITS.seriesMax);
    });
  }

  read(): Metrics {
    const families = this.#families.map(({ terms, read }) => ({ ...terms, series: read() }));
    return { families, startedMs: this.#startedMs };
  }

  #add(terms: FamilyTerms, read: () => Series[]): void {
    if (this.#families.some(({ terms: { name } }) => name === terms.name)) {
      throw new TypeError(`a metric of this name is there already: ${terms.name}`);
    }
    this.#families.push({ terms, read });
  }
}
