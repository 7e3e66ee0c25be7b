/** Rewrites the constants of a region for a new list of channels: moved, scaled, copied, made up or left out. */
import type { TensorRef } from '../../../../model/types.ts';
import { toDeviation } from '../../kernels/noise.ts';
import { createRng } from '../../../rng.ts';
import { readValues } from '../tensors.ts';
import type { Part } from './facts.ts';
import type { Region } from './region.ts';

/** One channel of the rewritten region. */
export interface Channel {
  /** The old channel whose row and vectors it takes. */
  readonly from: number;
  /** Replaces the weights of the row by noise of the same spread from this seed; equal seeds give equal rows. */
  readonly noise?: string;
  /** Factor on what the producer makes, which a batch normalisation behind it absorbs. */
  readonly before: number;
  /** Factor on what reaches the next layers. */
  readonly after: number;
  /** The old channel whose columns it takes, and the factor on them. */
  readonly columnFrom: number;
  readonly column: number;
}

/** A channel as it was. */
export function keepChannel(from: number): Channel {
  return { from, before: 1, after: 1, columnFrom: from, column: 1 };
}

export interface Constant {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Constants as they are after the regions before; a matrix is a column here and a row there. */
export type Constants = Map<string, Constant>;

/** Replaces every constant of the region in `into`. */
export function remapRegion(
  region: Region,
  channels: readonly Channel[],
  { tensors, into }: { readonly tensors: ReadonlyMap<string, TensorRef>; readonly into: Constants },
): void {
  for (const part of region.parts) {
    const tensor = tensors.get(part.tensor);
    if (tensor === undefined) throw new TypeError('internal error: the region names a tensor that the model has not');
    const old = into.get(part.tensor) ?? { shape: tensor.shape, values: readValues(tensor) };
    into.set(part.tensor, remapPart(region, part, channels, old));
  }
}

function remapPart(region: Region, part: Part, channels: readonly Channel[], old: Constant): Constant {
  const { axis, block, role } = part;
  const inner = old.shape.slice(axis + 1).reduce((product, size) => product * size, block);
  const outer = old.shape.slice(0, axis).reduce((product, size) => product * size, 1);
  const values = new Float32Array(outer * channels.length * inner);
  const spread = role === 'row' ? toDeviation(old.values) : 0;
  for (const [index, channel] of channels.entries()) {
    const from = role === 'column' ? channel.columnFrom : channel.from;
    const map = toMap(region, part, channel);
    const rng = role === 'row' && channel.noise !== undefined ? createRng(channel.noise) : undefined;
    for (let before = 0; before < outer; before += 1) {
      const source = (before * region.channels + from) * inner;
      const target = (before * channels.length + index) * inner;
      for (let at = 0; at < inner; at += 1) {
        const value = rng === undefined ? old.values[source + at] : spread * rng.gaussian();
        values[target + at] = map(value);
      }
    }
  }
  const shape = old.shape.map((size, at) => (at === axis ? channels.length * block : size));
  return { shape, values };
}

function toMap({ epsilon }: Region, { role }: Part, channel: Channel): (value: number) => number {
  const { before, after, column } = channel;
  switch (role) {
    case 'row':
    case 'bias':
      return (value) => value * (epsilon === null ? before * after : before);
    case 'shift':
      return (value) => value * after;
    case 'factor':
      return (value) => value;
    case 'gamma':
      return (value) => value * Math.sign(before) * after;
    case 'beta':
      return (value) => value * after;
    case 'mean':
      return (value) => value * before;
    case 'variance':
      return (value) => before * before * (value + (epsilon ?? 0)) - (epsilon ?? 0);
    case 'column':
      return (value) => value * column;
  }
}
