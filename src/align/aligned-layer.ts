/** A suspect's layer put into the original's order and scale (docs/spec/watermark.md §7.4). */
import { UNMATCHED } from './assignment.ts';
import { type ChannelMaps, createLayerMapper, type LayerPair, type Mapped } from './channel-maps.ts';
import { isReadByParts } from './large.ts';
import { createLargeLayer } from './large-layer.ts';
import { type Lattice, type LoadLattice, toLengths } from './lattice.ts';
import type { AlignedLayer } from './ports.ts';
import { type Side, toBalance } from './similarity.ts';

/** Aligned layers by name; each is put together when it is first read, and one is kept at a time. */
export function createAlignedLayers(
  layers: readonly LayerPair[],
  maps: ChannelMaps,
  load: LoadLattice,
): Map<string, AlignedLayer | null> {
  let kept: { readonly pair: LayerPair; readonly values: Float32Array } | null = null;
  const toLayer = (pair: LayerPair): AlignedLayer | null => {
    const mapped = toMapped(pair, maps);
    if (mapped === null) return null;
    if (isReadByParts(pair)) return createLargeLayer(pair, mapped, load);
    return {
      read: (first, into) => {
        if (kept?.pair !== pair) kept = { pair, values: toAligned(pair, mapped, load) };
        const { values } = kept;
        for (let i = 0; i < into.length; i++) into[i] = values[first + i];
      },
    };
  };
  return new Map(layers.map((pair) => [pair.layer.name, toLayer(pair)]));
}

/** Null where the suspect lacks the layer, or its channels are not known. */
export function toMapped(pair: LayerPair, maps: ChannelMaps): Mapped | null {
  if (pair.ours === null || pair.theirs === null) return null;
  const [out, input] = [createLayerMapper(pair, 'out', maps), createLayerMapper(pair, 'in', maps)];
  const lengths = toLengths(pair.theirs);
  const isFitting = out.theirLength === lengths.out && input.theirLength === lengths.in;
  const isDepthwise = pair.layer.in === null;
  const [outMap, inMap] = [out.toTheirs(), input.toTheirs()];
  if (outMap === undefined || inMap === undefined) return null;
  return isFitting || (isDepthwise && out.theirLength === lengths.out) ? { out: outMap, in: inMap } : null;
}

/** The suspect's weights in the original's element order; the balance of rows and columns is that of the original. */
function toAligned(pair: LayerPair, mapped: Mapped, load: LoadLattice): Float32Array {
  const [a, b] = [load(pair.ours!), load(pair.theirs!)];
  const values = new Float32Array(a.values.length).fill(Number.NaN);
  const own = toIdentity(mapped);
  const [ourRows, ourColumns] = toBalance(toSide(a, own.out, own.in));
  const [theirRows, theirColumns] = toBalance(toSide(b, mapped.out, mapped.in));
  mapped.out.forEach((theirOut, out) => {
    if (theirOut === UNMATCHED) return;
    const rowScale = theirRows[out] / ourRows[out];
    mapped.in.forEach((theirIn, input) => {
      const from = theirIn === UNMATCHED ? -1 : b.toIndex(theirOut, theirIn);
      const to = a.toIndex(out, input);
      const scale = rowScale * (theirColumns[input] / ourColumns[input]);
      if (to < 0 || from < 0 || !Number.isFinite(scale)) return;
      for (let k = 0; k < a.kernel.length; k++) values[to + a.kernel[k]] = b.values[from + b.kernel[k]] * scale;
    });
  });
  return values;
}

/** Entries of the original that have a partner: both balances must see the same weights. */
function toIdentity({ out, in: input }: Mapped): Mapped {
  const keep = (map: Int32Array): Int32Array => map.map((entry, own) => (entry === UNMATCHED ? UNMATCHED : own));
  return { out: keep(out), in: keep(input) };
}

function toSide(lattice: Lattice, entries: Int32Array, others: Int32Array): Side {
  return { lattice, side: 'out', entries, inner: 1, others };
}
