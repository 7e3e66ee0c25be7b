/** What the battery found: one row per attack and strength. */

export type AttackVerdict = 'claim' | 'flag' | 'none' | 'inconclusive';

interface RowHead {
  readonly attack: string;
  readonly group: string;
  readonly title: string;
  readonly strength: string;
  /** What the strength is, in words. */
  readonly unit: string;
  /** True for attacks that are known to take marks in weights away: no weight of the copy is left, or hardly any. */
  readonly isLossExpected: boolean;
}

/** An attack that ran. */
export interface RunRow extends RowHead {
  readonly state: 'run';
  readonly verdict: AttackVerdict;
  /** After all trials. */
  readonly evidenceBits: number;
  /** Message bits, and how many disagree in the best reading. */
  readonly bits: number;
  readonly bitErrors: number;
  /** Share of right answers; null without data, or when the copy cannot be run. */
  readonly accuracy: number | null;
  readonly attackSeconds: number;
  readonly detectSeconds: number;
}

/** An attack that was not run, and why. */
export interface SkippedRow extends RowHead {
  readonly state: 'not run';
  readonly code: string;
  readonly reason: string;
}

export type AttackRow = RunRow | SkippedRow;

export interface AttackRecord {
  readonly model: string;
  readonly claim: { readonly commitment: string; readonly ownerId: string };
  readonly toolVersion: string;
  readonly seed: string;
  /** Evaluation data in words; null without. */
  readonly evaluation: { readonly samples: number; readonly words: string; readonly runtime: string } | null;
  readonly training: { readonly samples: number; readonly learningRate: number } | null;
  readonly rows: readonly AttackRow[];
  /** The unmarked original read with the same key; null when it was not at hand. */
  readonly original: {
    readonly verdict: AttackVerdict;
    readonly evidenceBits: number;
    readonly accuracy: number | null;
  } | null;
}
