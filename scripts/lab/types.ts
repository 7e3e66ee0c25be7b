/** What a row of the battery is: one measurement of one model and seed, recomputed from its id alone. */

/** Numbers, texts and short lists; equal code must give equal figures. */
export type Figures = Readonly<Record<string, number | string | readonly number[]>>;

export interface Row {
  /** "model.seed.measurement" (`toRowId`), stable: docs/features names it. */
  readonly id: string;
  /** Files and folders below the root that the figures depend on; most rows begin with SUBJECT_SOURCES of version.ts. */
  readonly sources: readonly string[];
  compute(): Promise<Figures>;
}

export interface StoredRow {
  readonly id: string;
  /** SHA-256 over the sources that the figures were computed with. */
  readonly code: string;
  readonly figures: Figures;
}

/** All figures by id, as a report reads them. */
export type Results = ReadonlyMap<string, Figures>;

/** One area of the battery: what is measured, and how docs/lab.md shows it. */
export interface Area {
  listRows(): readonly Row[];
  /** Markdown parts: headings, paragraphs and tables; none when no row of the area is there yet. */
  describe(results: Results): readonly string[];
}

/** Ids are dotted, so that documents can name a row in one word. */
export function toRowId(model: string, seed: string, measurement: string): string {
  return `${model}.${seed}.${measurement}`;
}
