/** Rates of callers in the memory of this process. */
import { RATE_LIMITS } from '../../core/limits/api-keys.ts';
import { stepGcra, toEmpty, toGcraRule, toRateTake } from './gcra.ts';
import type { RatePolicy, RateStore, RateTake } from './ports.ts';

export interface MemoryRatesOptions {
  /** Microseconds of a clock that never goes back; whole numbers, from any moment on. */
  readonly nowUs: () => number;
  /** True: callers begin with nothing but what comes, because others counted until now. */
  readonly isEmpty?: boolean;
  /** This process is one of so many that callers are spread over evenly: it counts its part. */
  readonly shares?: number;
  readonly subjectsMax?: number;
}

/** How many are looked at, to forget those at rest, when a new one needs room. */
const LOOKED_AT = 16;

export class MemoryRates implements RateStore {
  readonly #nowUs: () => number;
  readonly #shares: number;
  readonly #subjectsMax: number;
  readonly #arrivals = new Map<string, number>();
  #sweep: IterableIterator<[string, number]>;
  /** At that moment nobody had anything left. */
  #emptyUs: number;

  constructor({ nowUs, isEmpty = false, shares = 1, subjectsMax = RATE_LIMITS.subjectsMax }: MemoryRatesOptions) {
    this.#nowUs = nowUs;
    this.#shares = shares;
    this.#subjectsMax = subjectsMax;
    this.#sweep = this.#arrivals.entries();
    this.#emptyUs = isEmpty ? nowUs() : -Infinity;
  }

  take(subject: string, policy: RatePolicy): RateTake {
    const nowUs = this.#nowUs();
    const rule = toGcraRule(this.#toShare(policy));
    const kept = this.#arrivals.get(subject);
    const step = stepGcra(Math.max(kept ?? 0, toEmpty(rule, this.#emptyUs)), nowUs, rule);
    if (kept === undefined && !this.#makeRoom(nowUs)) return REFUSED;
    this.#arrivals.set(subject, step.arrivalUs);
    return toRateTake(step, nowUs, rule);
  }

  /** As `take` would answer, with nothing taken. */
  look(subject: string, policy: RatePolicy): RateTake {
    const nowUs = this.#nowUs();
    const rule = toGcraRule(this.#toShare(policy));
    const arrivalUs = Math.max(nowUs, this.#arrivals.get(subject) ?? 0, toEmpty(rule, this.#emptyUs));
    return toRateTake({ isAdmitted: arrivalUs - nowUs <= rule.toleranceUs, arrivalUs }, nowUs, rule);
  }

  refund(subject: string, policy: RatePolicy): void {
    const kept = this.#arrivals.get(subject);
    if (kept !== undefined) this.#arrivals.set(subject, kept - toGcraRule(this.#toShare(policy)).intervalUs);
  }

  drain(): void {
    this.#emptyUs = this.#nowUs();
  }

  close(): Promise<void> {
    this.#arrivals.clear();
    return Promise.resolve();
  }

  /** True when a subject that is not known yet can be kept: callers at rest are as good as forgotten. */
  hasRoom(): boolean {
    return this.#makeRoom(this.#nowUs());
  }

  has(subject: string): boolean {
    return this.#arrivals.has(subject);
  }

  /** One caller of many processes: the rate in equal parts, of a burst at least one request. */
  #toShare(policy: RatePolicy): RatePolicy {
    if (this.#shares === 1) return policy;
    return { perMinute: policy.perMinute / this.#shares, burst: Math.max(1, Math.floor(policy.burst / this.#shares)) };
  }

  #makeRoom(nowUs: number): boolean {
    if (this.#arrivals.size < this.#subjectsMax) return true;
    for (let looked = 0; looked < LOOKED_AT; looked += 1) {
      const next = this.#sweep.next();
      if (next.done === true) this.#sweep = this.#arrivals.entries();
      else if (next.value[1] <= nowUs) this.#arrivals.delete(next.value[0]);
    }
    return this.#arrivals.size < this.#subjectsMax;
  }
}

const REFUSED: RateTake = { isAdmitted: false, remaining: 0, retryAfterMs: 1000, resetMs: 1000 };
