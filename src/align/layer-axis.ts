/** The channels along an axis of a layer, also where none are tied to a space. */
import type { ChannelAxis, Layer } from './ports.ts';

/** A depthwise layer has one input entry per output, which never moves; unknown axes are fixed. */
export function toAxis(layer: Layer, side: 'out' | 'in'): ChannelAxis {
  const axis = layer[side];
  if (axis !== null) return axis;
  const place = side === 'out' ? layer.outAxis! : layer.inAxis!;
  return { axis: place, segments: [{ space: -1, channels: layer.shape[place] }], inner: 1 };
}
