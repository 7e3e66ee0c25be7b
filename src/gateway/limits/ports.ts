/** What limits need from outside: where rates are counted for several processes, and where budgets outlive them. */

export interface RatePolicy {
  /** Sustained; above 0, and below 1 for the share of one process. */
  readonly perMinute: number;
  /** How many may come at once; at least 1. */
  readonly burst: number;
}

/** Outcome of one question. Times are milliseconds. */
export interface RateTake {
  readonly isAdmitted: boolean;
  /** How many more could come at once now. */
  readonly remaining: number;
  /** Until one more is admitted; 0 when this one was. */
  readonly retryAfterMs: number;
  /** Until the whole burst is there again. */
  readonly resetMs: number;
}

/**
 * Counts rates.
 *
 * An implementer must never admit more than `burst + time * perMinute` of one subject in any span of time in which it runs, and
 * must rather reject the promise than guess.
 */
export interface RateStore {
  /** A value where it is known at once. @throws GatewayError LIMITS_STORE_FAILED */
  take(subject: string, policy: RatePolicy): RateTake | Promise<RateTake>;
  /** Gives one back that was taken; never throws. */
  refund(subject: string, policy: RatePolicy): void;
  /** From now on nobody has more than what comes: after a time in which others counted. @throws as `take` */
  drain(): void | Promise<void>;
  /** Never throws. */
  close(): Promise<void>;
}

/** A policy in whole microseconds. */
export interface GcraRule {
  /** Between two requests at the sustained rate; rounded up, so that a rate is never above the agreed one. */
  readonly intervalUs: number;
  /** How far ahead of the sustained rate a caller may be: the burst, less the request itself. */
  readonly toleranceUs: number;
}

/**
 * Keeps one number for each caller (GCRA) outside of this process, by a clock of its own.
 *
 * An implementer must decide and write in one step, must treat a memory that was lost as one in which nobody has anything left,
 * and must answer in time or reject; never ask twice, since the first question may have been counted.
 * @throws GatewayError LIMITS_STORE_FAILED
 */
export interface RateCounter {
  /** `aheadUs`: how far ahead of the sustained rate the caller is afterwards. */
  take(subject: string, rule: GcraRule): Promise<{ readonly isAdmitted: boolean; readonly aheadUs: number }>;
  refund(subject: string, rule: GcraRule): Promise<void>;
  drain(): Promise<void>;
  /** Never throws. */
  close(): Promise<void>;
}

/** Which part of a budget: of a day since 1970 (UTC), or of all time (-1). */
export interface BudgetPeriod {
  /** `key:…`, `tenant:…`, `model:…` and the like. */
  readonly subject: string;
  readonly day: number;
}

/**
 * What was used of budgets.
 *
 * An implementer must let the sum of what was granted and not given back never exceed the limit it was asked with, over all
 * processes and machines, and must make a grant durable before the promise is fulfilled.
 * @throws DatabaseError
 */
export interface BudgetStore {
  /** Grants as much of `items` as is left of `limit`, 0 when that is none. */
  lease(period: BudgetPeriod, asked: { readonly items: number; readonly limit: number }): Promise<number>;
  /** Takes back what was granted and not used. */
  giveBack(returned: readonly (BudgetPeriod & { readonly items: number })[]): Promise<void>;
  /** Used and leased, in the order of `periods`. */
  readUsed(periods: readonly BudgetPeriod[]): Promise<readonly number[]>;
  /** Forgets days before this one. */
  forget(beforeDay: number): Promise<void>;
  close(): Promise<void>;
}

/** A line between two processes of one machine: messages arrive whole, in their order, or the line has ended. */
export interface MessageLine {
  /** False when the other end is gone. */
  send(message: unknown): boolean;
  onMessage(listen: (message: unknown) => void): void;
  onEnd(listen: () => void): void;
}
