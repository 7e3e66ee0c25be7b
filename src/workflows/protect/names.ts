/** The names of everything that `protect` writes. */
import { basename, extname, join } from 'node:path';
import type { Model } from '../../model/types.ts';

export interface OutputNames {
  /** Name of the model without its extension. */
  readonly stem: string;
  /** Names, relative to the output folder, of the marked files in the order of `Model.files`. */
  readonly marked: readonly string[];
  readonly sealed: string;
  readonly baseline: string;
  readonly signature: string;
  readonly commitment: string;
  readonly timestamp: string;
  readonly report: string;
  readonly publicReport: string;
}

/**
 * A model of one file becomes STEM.marked.EXT. One of several files keeps all its names, because the main file names
 * the others, and moves into a subfolder.
 */
export function toOutputNames(path: string, model: Model): OutputNames {
  const extension = extname(path);
  const stem = basename(path, extension);
  const isSingle = model.files.length === 1;
  return {
    stem,
    marked: isSingle ? [`${stem}.marked${extension}`] : model.files.map(({ name }) => join('marked', name)),
    sealed: `${stem}.seal`,
    baseline: `${stem}.baseline.json`,
    signature: `${stem}.baseline.sig`,
    commitment: `${stem}.commitment.json`,
    timestamp: `${stem}.commitment.tst`,
    report: `${stem}.report.html`,
    publicReport: `${stem}.report.public.html`,
  };
}
