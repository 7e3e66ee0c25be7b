/** Sends counts and spans to a collector, for as long as the gateway runs; nothing else waits for it. */
import { ModelwardError } from '../../core/errors.ts';
import { TELEMETRY_LIMITS as CAPS } from '../../core/limits/metrics.ts';
import type { Clock, Pause } from '../../core/ports.ts';
import type { Metrics, TelemetryLink } from '../ports.ts';
import { type OtlpOptions, type Sent, toOtlpMetrics, toOtlpSpans } from './otlp.ts';
import type { SpanQueue } from './spans.ts';

export interface TelemetryOptions extends OtlpOptions {
  readonly link: TelemetryLink;
  /** Of all processes; null sends none. */
  readonly readMetrics: (() => Promise<Metrics>) | null;
  /** null sends none. */
  readonly spans: SpanQueue | null;
  /** Sums since the start, or what came since the last message. */
  readonly temporality: 'cumulative' | 'delta';
  readonly everyMs: number;
  readonly clock: Clock;
  readonly pause: Pause;
  readonly signal: AbortSignal;
  /** Told the code when the collector takes nothing, once each time it begins. */
  readonly onTrouble: (code: string) => void;
}

/** Ends when `signal` is aborted, after a last message. Never rejects. */
export async function runTelemetry(options: TelemetryOptions): Promise<void> {
  const { pause, signal, everyMs } = options;
  const round = createRound(options);
  let waitMs: number = CAPS.retryFirstMs;
  while (!signal.aborted) {
    await pause(everyMs, signal);
    const isTaken = await round();
    if (isTaken) waitMs = CAPS.retryFirstMs;
    else {
      await pause(waitMs, signal);
      waitMs = Math.min(CAPS.retryMaxMs, 2 * waitMs);
    }
  }
}

/** One round of messages; false when the collector took nothing. */
function createRound(options: TelemetryOptions): () => Promise<boolean> {
  const { link, readMetrics, spans, temporality, clock, onTrouble } = options;
  let sent: Sent | null = null;
  let isTroubled = false;
  const sendMetrics = async (): Promise<void> => {
    if (readMetrics === null) return;
    const metrics = await readMetrics();
    const timeMs = clock.nowMs();
    // The first message of changes tells of all since the start.
    const none: Sent = { metrics: { families: [], startedMs: metrics.startedMs }, timeMs: metrics.startedMs };
    const before = temporality === 'delta' ? (sent ?? none) : null;
    await link.send('metrics', toOtlpMetrics(metrics, { ...options, timeMs, before }));
    sent = { metrics, timeMs };
  };
  const sendSpans = async (): Promise<void> => {
    while (spans !== null && spans.length > 0) {
      // What the collector does not take now is lost: spans are samples, and memory is for requests.
      await link.send('traces', toOtlpSpans(spans.take(CAPS.spansPerSend), options));
    }
  };
  return async () => {
    try {
      await sendMetrics();
      await sendSpans();
      isTroubled = false;
      return true;
    } catch (error) {
      if (!isTroubled) onTrouble(error instanceof ModelwardError ? error.code : 'UNKNOWN');
      isTroubled = true;
      return false;
    }
  };
}
