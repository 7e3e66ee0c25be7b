/** Whether a server behind is ready, asked again and again. */
import { GatewayError } from '../../core/errors.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../gateway/ports.ts';

export interface ReadinessOptions {
  readonly upstream: Pick<Upstream, 'send'>;
  /** From the protocol's table: its question for readiness. */
  readonly request: Omit<UpstreamRequest, 'signal'>;
  /** What an answer says; without it, status 200 is "ready". */
  readonly judge?: (answer: UpstreamAnswer) => boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** So many bad answers in a row until a server that was ready is not; the first good one makes it ready. */
  readonly failuresMax: number;
  readonly onChange?: (isReady: boolean) => void;
}

export interface Readiness {
  /** As of the last look; not ready before the first. */
  isReady(): boolean;
  /** Looks now; never rejects. */
  look(): Promise<boolean>;
  stop(): void;
}

/** Begins to look at once. */
export function watchReadiness(options: ReadinessOptions): Readiness {
  let isReady = false;
  let failures = 0;
  let under: Promise<boolean> | null = null;
  const note = (isGood: boolean | null): boolean => {
    if (isGood !== null) failures = isGood ? 0 : failures + 1;
    const next = failures === 0 ? isReady || isGood === true : isReady && failures < options.failuresMax;
    if (next !== isReady) {
      isReady = next;
      options.onChange?.(next);
    }
    return isReady;
  };
  const look = (): Promise<boolean> =>
    (under ??= ask(options)
      .then(note)
      .finally(() => {
        under = null;
      }));
  const timer = setInterval(() => void look(), options.intervalMs).unref();
  void look();
  return {
    isReady: () => isReady,
    look,
    stop: () => {
      clearInterval(timer);
    },
  };
}

/** null where the line is full: then requests are being answered, and nothing is learnt. */
async function ask({ upstream, request, judge, timeoutMs }: ReadinessOptions): Promise<boolean | null> {
  try {
    const answer = await upstream.send({ ...request, signal: AbortSignal.timeout(timeoutMs) });
    return judge === undefined ? answer.status === 200 : judge(answer);
  } catch (error) {
    return error instanceof GatewayError && error.code === 'GATEWAY_OVERLOADED' ? null : false;
  }
}
