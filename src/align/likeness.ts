/** How alike the aligned suspect is to the original: whether there is anything left to undo. */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { createAlignedLayers } from './aligned-layer.ts';
import type { ChannelMaps, LayerPair } from './channel-maps.ts';
import type { LoadLattice } from './lattice.ts';

export interface Likeness {
  /** Cosines of the layers that were looked at; 1 without any. */
  readonly least: number;
  readonly mean: number;
}

/** Over some of the layers that both have, spread over the depth. */
export function measureLikeness(pairs: readonly LayerPair[], maps: ChannelMaps, load: LoadLattice): Likeness {
  const aligned = createAlignedLayers(pairs, maps, load);
  const both = pairs.filter(({ layer }) => aligned.get(layer.name) !== null);
  const count = Math.min(both.length, ALIGN_LIMITS.likeLayers);
  const cosines = Array.from({ length: count }, (_, at) => {
    const { layer, ours } = both[Math.floor((at * both.length) / count)];
    const own = load(ours!).values;
    const theirs = new Float64Array(own.length);
    aligned.get(layer.name)!.read(0, theirs);
    return toCosine(own, theirs);
  });
  return { least: Math.min(1, ...cosines), mean: cosines.reduce((sum, value) => sum + value, 0) / Math.max(1, count) };
}

/** What the suspect lacks is left out. */
function toCosine(a: Float32Array, b: Float64Array): number {
  let [product, own, other] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    if (Number.isNaN(b[i])) continue;
    product += a[i] * b[i];
    own += a[i] * a[i];
    other += b[i] * b[i];
  }
  return own > 0 && other > 0 ? product / Math.sqrt(own * other) : 0;
}
