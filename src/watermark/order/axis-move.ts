/** From the places of channels to the places of entries on one axis of a tensor (docs/spec/recipient-code.md §3.1). */
import type { ChannelAxis } from '../../align/index.ts';
import { invertPlaces, type Places } from './places.ts';

/** New order of one axis: entry i of the copy is entry `sources[i]` of the original. */
export interface AxisMove {
  readonly axis: number;
  readonly sources: Int32Array;
}

/** Spaces that an axis is indexed by. */
export function listAxisSpaces(axis: ChannelAxis | null): number[] {
  return axis === null ? [] : axis.segments.map(({ space }) => space).filter((space) => space >= 0);
}

/** Null when no channel on the axis moves. */
export function toAxisMove(axis: ChannelAxis | null, places: ReadonlyMap<number, Places>): AxisMove | null {
  if (axis === null || !listAxisSpaces(axis).some((space) => places.has(space))) return null;
  const total = axis.segments.reduce((sum, { channels }) => sum + channels, 0);
  const sources = new Int32Array(total * axis.inner);
  const toEntry = (channel: number, k: number): number =>
    axis.isInterleaved === true ? k * total + channel : channel * axis.inner + k;
  let start = 0;
  for (const { space, channels } of axis.segments) {
    const own = places.get(space);
    const from = own === undefined ? undefined : invertPlaces(own);
    for (let place = 0; place < channels; place++) {
      const channel = from === undefined ? place : from[place];
      for (let k = 0; k < axis.inner; k++) sources[toEntry(start + place, k)] = toEntry(start + channel, k);
    }
    start += channels;
  }
  return { axis: axis.axis, sources };
}
