/** Layers of a suspect against the original's, after alignment: a picture of where it was changed, never a test. */
import { type AlignedLayer, alignSuspect } from '../align/index.ts';
import { LINEAGE_LIMITS } from '../core/limits/lineage.ts';
import type { Progress } from '../core/ports.ts';
import { readAt } from './elements.ts';
import { toCosine, toMoments } from './least-squares.ts';
import { type Frame, knowsNeurons } from './pairs.ts';
import { samplePlaces } from './sample.ts';

export interface AlignedCosine {
  readonly name: string;
  /** Null when the suspect has no such layer. Alignment looks for likeness: independent models do not show 0 here. */
  readonly cosine: number | null;
}

/**
 * Cosines of the original's layers; [] when nothing says which of its neurons could change places.
 * @throws FormatError | SourceError from the readers
 */
export function measureAligned(original: Frame, suspect: Frame, progress: Progress): readonly AlignedCosine[] {
  if (!knowsNeurons(original)) return [];
  const { layers } = alignSuspect({
    topology: original.topology,
    original: original.model,
    suspect: suspect.model,
    progress,
  });
  return original.layers.map(({ layer, tensor }) => {
    const aligned = layers.get(layer.name);
    if (!aligned) return { name: layer.name, cosine: null };
    const places = samplePlaces(tensor.elementCount, LINEAGE_LIMITS.sampleElementsMax);
    const theirs = readRuns(places, aligned);
    return { name: layer.name, cosine: toCosine(toMoments([readAt(tensor, places), theirs]), 1) };
  });
}

/** Missing weights count as zeros. */
function readRuns(places: Float64Array, layer: AlignedLayer): Float32Array {
  const values = new Float32Array(places.length);
  for (let at = 0; at < places.length; ) {
    let end = at + 1;
    while (end < places.length && places[end] === places[end - 1] + 1) end++;
    const run = new Float64Array(end - at);
    layer.read(places[at], run);
    for (let i = 0; i < run.length; i++) values[at + i] = Number.isNaN(run[i]) ? 0 : run[i];
    at = end;
  }
  return values;
}
