/** Where a mark lies: marked layers in one line of positions, cut in tiles, all or a keyed choice of them (docs/spec/watermark.md §4). */
import { type Layer, type Topology } from '../../align/index.ts';
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { createPermutation } from '../../core/prf.ts';
import { isMarkable } from '../elements.ts';
import { STREAM_DOMAIN } from '../seeds.ts';

/** Message lengths; powers of two that divide a tile, so that every whole tile feeds every bit equally. */
export const MARK_BITS = [256, 512, 1024] as const;
export type MarkBits = (typeof MARK_BITS)[number];

/** One marked layer and the position of its first element. */
export interface LayoutLayer {
  readonly layer: Layer;
  readonly elementCount: number;
  readonly start: number;
}

export interface Layout {
  readonly bits: MarkBits;
  readonly layers: readonly LayoutLayer[];
  /** Positions of all marked layers together. */
  readonly total: number;
  /** Positions in the chosen tiles. */
  readonly sampled: number;
  /** Numbers of the chosen tiles, ascending; tile t holds positions [t · tileWeights, (t + 1) · tileWeights). */
  readonly tiles: Float64Array;
}

/** Layers that carry the mark: hidden, large enough, of a type that can hold it, and not excluded by name. */
export function listMarkableLayers(topology: Topology, excluded: ReadonlySet<string> = new Set()): Layer[] {
  return topology.layers.filter(
    (layer) =>
      !layer.isOutput &&
      toCount(layer) >= WATERMARK_LIMITS.layerWeightsMin &&
      isMarkable(layer.dtype) &&
      !excluded.has(layer.name),
  );
}

function toCount(layer: Layer): number {
  return layer.storedShape.reduce((product, dim) => product * dim, 1);
}

/** True when a mark of `layers` uses every position, not a choice of tiles: only then changes can be shaped by rows. */
export function usesAllPositions(layers: readonly Layer[]): boolean {
  return layers.reduce((total, layer) => total + toCount(layer), 0) <= WATERMARK_LIMITS.sampleWeightsMax;
}

/** 256 bits below a million weights, else 1,024. */
function toDefaultBits(total: number): MarkBits {
  return total < 1_000_000 ? 256 : 1024;
}

/**
 * Lays `layers` out and chooses tiles. With at most 16 M positions all tiles are used; beyond, a keyed permutation of
 * the tile numbers says which, so membership costs no memory and no table.
 * @param positionsKey 32 bytes
 * @throws WatermarkError WATERMARK_TOO_SMALL when a bit would get fewer than 64 positions
 */
export function toLayout(layers: readonly Layer[], positionsKey: Uint8Array, bits?: MarkBits): Layout {
  let total = 0;
  const placed = layers.map((layer) => {
    const elementCount = toCount(layer);
    total += elementCount;
    return { layer, elementCount, start: total - elementCount };
  });
  const length = bits ?? toDefaultBits(total);
  assertLargeEnough(total, length);
  const tiles = chooseTiles(total, positionsKey);
  const last = Math.ceil(total / WATERMARK_LIMITS.tileWeights) - 1;
  const missing = tiles.at(-1) === last ? (last + 1) * WATERMARK_LIMITS.tileWeights - total : 0;
  const sampled = tiles.length * WATERMARK_LIMITS.tileWeights - missing;
  return { bits: length, layers: placed, total, sampled, tiles };
}

function assertLargeEnough(total: number, bits: number): void {
  const needed = bits * WATERMARK_LIMITS.weightsPerBitMin;
  if (total >= needed) return;
  throw new WatermarkError('WATERMARK_TOO_SMALL', {
    message: `${total} weights can carry a mark, but ${bits} bits need ${needed}: ${WATERMARK_LIMITS.weightsPerBitMin} weights each`,
    fields: { weights: total, weightsNeeded: needed, bits },
  });
}

function chooseTiles(total: number, positionsKey: Uint8Array): Float64Array {
  const { tileWeights, sampleWeightsMax } = WATERMARK_LIMITS;
  const count = Math.ceil(total / tileWeights);
  if (total <= sampleWeightsMax) return Float64Array.from({ length: count }, (_, i) => i);
  const permutation = createPermutation(positionsKey, STREAM_DOMAIN.tileChoice, count);
  const chosen = Math.floor(sampleWeightsMax / tileWeights);
  return Float64Array.from({ length: chosen }, (_, i) => permutation.forward(i)).sort();
}

/** A run of positions of one layer inside one tile. */
export interface Segment {
  /** Index into `layout.layers`. */
  readonly layerIndex: number;
  /** First element of the layer's tensor, row-major. */
  readonly first: number;
  readonly count: number;
  readonly tile: number;
  /** Offset of the first position in the tile. */
  readonly tileOffset: number;
}

/** Index of the layer that holds `position`. */
export function findLayerIndex(layout: Layout, position: number): number {
  let low = 0;
  let high = layout.layers.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (layout.layers[middle].start <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The segments of the chosen tiles in position order. */
export function* listSegments(layout: Layout): Generator<Segment> {
  for (const tile of layout.tiles) {
    const tileStart = tile * WATERMARK_LIMITS.tileWeights;
    const tileEnd = Math.min(tileStart + WATERMARK_LIMITS.tileWeights, layout.total);
    let at = tileStart;
    for (let layerIndex = findLayerIndex(layout, at); at < tileEnd; layerIndex++) {
      const { start, elementCount } = layout.layers[layerIndex];
      const end = Math.min(tileEnd, start + elementCount);
      yield { layerIndex, first: at - start, count: end - at, tile, tileOffset: at - tileStart };
      at = end;
    }
  }
}

/** The segments that lie in elements [first, first + count) of one layer. */
export function listSegmentsIn(layout: Layout, layerIndex: number, first: number, count: number): Segment[] {
  const { tileWeights } = WATERMARK_LIMITS;
  const { start } = layout.layers[layerIndex];
  const from = start + first;
  const to = from + count;
  const found: Segment[] = [];
  for (let i = findTileSlot(layout.tiles, Math.floor(from / tileWeights)); i < layout.tiles.length; i++) {
    const tile = layout.tiles[i];
    const begin = Math.max(from, tile * tileWeights);
    const end = Math.min(to, (tile + 1) * tileWeights);
    if (begin >= to) break;
    found.push({ layerIndex, first: begin - start, count: end - begin, tile, tileOffset: begin - tile * tileWeights });
  }
  return found;
}

/** First slot of `tiles` whose tile is not below `tile`. */
function findTileSlot(tiles: Float64Array, tile: number): number {
  let low = 0;
  let high = tiles.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tiles[middle] < tile) low = middle + 1;
    else high = middle;
  }
  return low;
}
