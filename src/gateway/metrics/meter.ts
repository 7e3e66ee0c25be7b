/** Counts requests as they are answered: the part of the pipeline that says how it goes. */
import { ERRORS } from '../../core/errors.ts';
import type { Answered, Limiter, LimitVerdict, Meter } from '../ports.ts';
import type { CallerBoard } from './callers.ts';
import { REQUEST_FAMILIES } from './families.ts';
import type { Counter, Find, Histogram, MetricsRegistry } from './registry.ts';

interface Series {
  readonly requests: Counter;
  readonly durations: Histogram;
  readonly items: Counter;
  readonly inputBytes: Counter;
  readonly answerBytes: Counter;
  /** Of text models alone. */
  readonly texts: Histogram | null;
}

/**
 * Labels are of the configuration and of closed lists, never of callers; the callers' own counts are the board's, if there is one.
 * @param callers null: callers are not told apart
 */
export function createMeter(registry: MetricsRegistry, callers: CallerBoard | null = null): Meter {
  const find = createFinder(registry);
  return {
    onAnswer: (answered) => {
      const { requests, durations, items, inputBytes, answerBytes, texts } = find(answered);
      const seconds = answered.durationUs / 1e6;
      requests.value += 1;
      durations.observe(seconds);
      items.add(answered.items);
      inputBytes.add(answered.inputBytes);
      answerBytes.add(answered.answerBytes);
      texts?.observe(seconds);
      if (callers !== null && answered.principalId !== null) callers.count(answered.principalId);
    },
  };
}

/** Most requests are like the one before; others are found by three maps, and no text is put together for any. */
function createFinder(registry: MetricsRegistry): (answered: Answered) => Series {
  const make = createSeriesMaker(registry);
  const tree = new Map<string | null, Map<string | null, Map<string, Map<string | number | null, Series>>>>();
  let last: { readonly of: Answered; readonly series: Series } | null = null;
  return (answered) => {
    const { protocol, model, status, code, route } = answered;
    if (
      last !== null &&
      last.of.model === model &&
      last.of.protocol === protocol &&
      last.of.status === status &&
      last.of.code === code &&
      last.of.route === route
    ) {
      return last.series;
    }
    const outcomes = within(within(within(tree, protocol), model), route);
    // A code has one status; an answer without one may have several.
    const outcome = code ?? status;
    let series = outcomes.get(outcome);
    if (series === undefined) {
      series = make(answered);
      outcomes.set(outcome, series);
    }
    last = { of: answered, series };
    return series;
  };
}

function within<Key, InnerKey, Inner>(map: Map<Key, Map<InnerKey, Inner>>, key: Key): Map<InnerKey, Inner> {
  let inner = map.get(key);
  if (inner === undefined) {
    inner = new Map();
    map.set(key, inner);
  }
  return inner;
}

function createSeriesMaker(registry: MetricsRegistry): (answered: Answered) => Series {
  const requests = registry.counter(REQUEST_FAMILIES.requests);
  const durations = registry.histogram(REQUEST_FAMILIES.durations);
  const items = registry.counter(REQUEST_FAMILIES.items);
  const inputBytes = registry.counter(REQUEST_FAMILIES.inputBytes);
  const answerBytes = registry.counter(REQUEST_FAMILIES.answerBytes);
  const texts: Find<Histogram> = registry.histogram(REQUEST_FAMILIES.texts);
  return (answered) => {
    const [protocol, model] = [answered.protocol ?? '', answered.model ?? ''];
    const [status, code] = [toStatus(answered.status), toCode(answered.code)];
    const isText = answered.protocol === 'openai' && answered.route !== '' && model !== '';
    return {
      requests: requests([protocol, model, status, code]),
      durations: durations([protocol, model, status]),
      items: items([protocol, model]),
      inputBytes: inputBytes([protocol, model]),
      answerBytes: answerBytes([protocol, model]),
      texts: isText ? texts([toOperation(answered.route), model, code]) : null,
    };
  };
}

/** A server behind could answer with any number. */
function toStatus(status: number): string {
  return Number.isInteger(status) && status >= 100 && status <= 599 ? String(status) : 'other';
}

function toCode(code: string | null): string {
  if (code === null) return '';
  return Object.hasOwn(ERRORS, code) ? code : 'other';
}

/** Names of the conventions for generative AI. @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ */
export function toOperation(route: string): string {
  if (route === 'chat/completions') return 'chat';
  if (route === 'completions') return 'text_completion';
  return route === 'embeddings' ? 'embeddings' : 'other';
}

/** For each limiter of a gateway: counts by which limit a request was refused; the limiter itself is as before. */
export function createLimiterMeter(registry: MetricsRegistry): (limiter: Limiter) => Limiter {
  const refusals = registry.counter(REQUEST_FAMILIES.limitRefusals);
  const by = {
    rate: refusals(['rate']),
    daily: refusals(['daily']),
    lifetime: refusals(['lifetime']),
    store: refusals(['store']),
  };
  const count = (verdict: LimitVerdict): LimitVerdict => {
    if (verdict.refusedBy !== null) by[verdict.refusedBy].value += 1;
    return verdict;
  };
  return (limiter) => ({
    charge: (principal, model, cost) => {
      const asked = limiter.charge(principal, model, cost);
      return asked instanceof Promise ? asked.then(count) : count(asked);
    },
  });
}
