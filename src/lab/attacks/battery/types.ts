/** The port of an attack on a model file. */
import type { OptimizationLevel } from '../../../model/runtime.ts';
import type { Model } from '../../../model/types.ts';
import type { RewritePlan } from '../../../source/rewrite.ts';
import type { Trainer } from '../training/trainer.ts';

/** What an attack may use beside the marked file. */
export interface Tools {
  /** Names every random choice. */
  readonly seed: string;
  /** The unmarked original, for copies of other recipients; null when it is not at hand. */
  readonly original: Model | null;
  /** A copy of the marked model that somebody trained on; null when none was given. */
  readonly tuned: Model | null;
  /** @throws LabError when the model or the data cannot be trained with */
  readonly trainer: () => Trainer;
  /** The engine's own rewriting of a graph. @throws RuntimeError without an engine that saves it */
  readonly optimize: (model: Model, level: OptimizationLevel) => Promise<Uint8Array>;
}

export const ATTACK_GROUPS = ['weights', 'copies', 'neurons', 'files', 'training'] as const;
export type AttackGroup = (typeof ATTACK_GROUPS)[number];

/** Which strengths an attack comes in. */
export type StrengthKind =
  | { readonly kind: 'number'; readonly min: number; readonly max: number; readonly isWhole?: boolean }
  | { readonly kind: 'choice'; readonly values: readonly string[] };

export interface AttackOutcome {
  /** The files of the attacked copy; the model must stay open until they are read. */
  readonly plan: RewritePlan;
  /** Name of the main file, whose ending tells the format. */
  readonly name: string;
}

export interface ModelAttack {
  /** In kebab-case; `--only` and the report use it. */
  readonly id: string;
  readonly group: AttackGroup;
  readonly title: string;
  /** What the strength is, in words: "share of the weights". */
  readonly unit: string;
  readonly strengths: readonly string[];
  readonly accepts: StrengthKind;
  /** Known to take marks in weights away: no weight of the copy is left, or hardly any. */
  readonly isLossExpected?: boolean;
  /** @throws LabError LAB_ATTACK_UNFIT with `reason` when it does not fit the model */
  run(model: Model, strength: string, tools: Tools): AttackOutcome | Promise<AttackOutcome>;
}
