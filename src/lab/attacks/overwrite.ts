/** Overwriting: a thief embeds marks of his own, with other keys, at another strength. */
import { utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import type { Model, TensorEdit } from '../../model/types.ts';
import { deriveSeeds, embedMark, toOriginalDigest } from '../../watermark/index.ts';
import { applyTensorEdits, openNetwork } from '../model.ts';
import type { NetworkSpec, Weights } from '../spec.ts';

export interface OverwriteOptions {
  /** Margin of each new mark, in standard deviations. */
  readonly tau: number;
  /** How many owners follow one another. */
  readonly times: number;
  readonly seed: string;
}

/** Each new mark goes on top of the last, in a copy that its embedder takes for an original. */
export function overwrite(spec: NetworkSpec, weights: Weights, options: OverwriteOptions): Map<string, Float32Array> {
  let current = new Map(weights);
  for (let round = 0; round < options.times; round += 1) {
    const model = openNetwork(spec, current);
    current = applyTensorEdits(current, embedThief(model, round, options));
    model.close();
  }
  return current;
}

/** The edits that put the mark of thief number `round` into a model. */
export function embedThief(
  model: Model,
  round: number,
  { tau, seed }: Pick<OverwriteOptions, 'tau' | 'seed'>,
): readonly TensorEdit[] {
  const thief = sha256(utf8(`${seed}/overwrite/${round}`));
  const { edits } = embedMark({
    ...{ model, ownSeed: deriveSeeds(thief).own, ownerId: `thief ${round}`, tau },
    originalDigest: toOriginalDigest(model),
  });
  return edits;
}
