/** Checks a topology that came out of a file: every number that later sizes a buffer or an index must add up. */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { findElementCount } from '../model/dtype.ts';
import type { ChannelAxis, Layer, Topology } from './ports.ts';

/** What is wrong with `topology`, in words, or undefined. */
export function findTopologyFault(topology: Topology): string | undefined {
  if (topology.spaces.some((space) => space.channels > ALIGN_LIMITS.channelsMax))
    return 'a space has too many channels';
  for (const layer of topology.layers) {
    const fault = findLayerFault(layer, topology);
    if (fault !== undefined) return `${fault} in a layer`;
  }
  for (const { shape, channels } of topology.vectors) {
    if ((findElementCount(shape) ?? Number.POSITIVE_INFINITY) > ALIGN_LIMITS.layerElementsMax)
      return 'a vector is too large';
    const fault = findAxisFault(channels, [shape[channels.axis]], topology);
    if (fault !== undefined) return `${fault} in a vector`;
  }
  return undefined;
}

function findLayerFault(layer: Layer, topology: Topology): string | undefined {
  const { shape, storedShape, outAxis, inAxis, groups } = layer;
  const count = findElementCount(shape);
  if (count === undefined || count !== findElementCount(storedShape) || count > ALIGN_LIMITS.layerElementsMax) {
    return 'shapes that do not hold the same, bounded number of elements';
  }
  if (layer.kind === 'plain') return layer.in === null && layer.out === null ? undefined : 'channels without operators';
  for (const [place, axis] of [
    [outAxis, layer.out],
    [inAxis, layer.in],
  ] as const) {
    if (place === null) {
      if (axis !== null) return 'channels on an unknown axis';
      continue;
    }
    const length = shape[place] ?? 0;
    if (place >= shape.length || length * groups > ALIGN_LIMITS.channelsMax) return 'an axis out of bounds';
    if (axis === null) continue;
    const fault =
      axis.axis === place ? findAxisFault(axis, [length, length * groups], topology) : 'channels on another axis';
    if (fault !== undefined) return fault;
  }
  return outAxis !== null && outAxis === inAxis ? 'one axis for both sides' : undefined;
}

function findAxisFault(
  axis: ChannelAxis,
  lengths: readonly (number | undefined)[],
  { spaces }: Topology,
): string | undefined {
  let entries = 0;
  for (const { space, channels } of axis.segments) {
    if (space >= 0 && spaces[space]?.channels !== channels) return 'a segment that does not fit its space';
    entries += channels * axis.inner;
  }
  return lengths.includes(entries) ? undefined : 'segments that do not fill their axis';
}
