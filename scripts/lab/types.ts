/** What a row of the battery is: one measurement of one model and seed, recomputed from its id alone. */
import type { ModelName } from '../../src/lab/index.ts';

/** Numbers, texts and short lists; equal code must give equal figures. */
export type Figures = Readonly<Record<string, number | string | readonly number[]>>;

export interface Row {
  /** "model.seed.measurement", stable: docs/features.md names it. */
  readonly id: string;
  readonly model: ModelName;
  readonly seed: string;
  readonly measurement: string;
  compute(): Promise<Figures>;
}

export interface StoredRow {
  readonly id: string;
  /** SHA-256 over the sources that the figures depend on. */
  readonly code: string;
  readonly seconds: number;
  readonly figures: Figures;
}
