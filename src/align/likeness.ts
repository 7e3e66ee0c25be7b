/** How alike the aligned suspect is to the original: whether there is anything left to undo. */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { createAlignedLayers } from './aligned-layer.ts';
import type { ChannelMaps, LayerPair } from './channel-maps.ts';
import { isReadByParts } from './large.ts';
import type { LoadLattice } from './lattice.ts';
import type { AlignedLayer } from './ports.ts';

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
    const pair = both[Math.floor((at * both.length) / count)];
    const layer = aligned.get(pair.layer.name)!;
    if (isReadByParts(pair)) return toSampledCosine(pair, layer, load);
    const own = load(pair.ours!).values;
    const theirs = new Float64Array(own.length);
    layer.read(0, theirs);
    return toCosine(own, theirs);
  });
  return { least: Math.min(1, ...cosines), mean: cosines.reduce((sum, value) => sum + value, 0) / Math.max(1, count) };
}

/** Rows of a large layer that are looked at. */
const ROWS = 32;

function toSampledCosine({ ours }: LayerPair, layer: AlignedLayer, load: LoadLattice): number {
  const { shape, outAxis } = ours!;
  const [rows, columns] = shape;
  const count = Math.min(ROWS, rows);
  const chosen = Int32Array.from({ length: count }, (_, at) => Math.floor((at * rows) / count));
  const all = Int32Array.from({ length: columns }, (_, at) => at);
  const theirs = new Float64Array(count * columns);
  const own = load.part(ours!, outAxis === 0 ? { out: chosen, in: all } : { out: all, in: chosen });
  chosen.forEach((row, at) => {
    layer.read(row * columns, theirs.subarray(at * columns, (at + 1) * columns));
  });
  return toCosine(own.values, theirs);
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
