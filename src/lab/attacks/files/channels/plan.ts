/** From new channels for each region to the files of the attacked model. */
import { LabError } from '../../../../core/errors.ts';
import type { Model, TensorRef } from '../../../../model/types.ts';
import type { RewritePlan } from '../../../../source/rewrite.ts';
import { editGraph } from '../../../../surgery/index.ts';
import { readValues, replaceTensors, toTensorBytes } from '../tensors.ts';
import { toTensors } from './facts.ts';
import type { Region } from './region.ts';
import { type Channel, type Constants, remapRegion } from './remap.ts';

/** What is known of the constants when a region is planned: regions before it are done. */
export interface Known {
  readonly tensors: ReadonlyMap<string, TensorRef>;
  readonly into: Constants;
}

/**
 * Constants of equal size become edits of tensors, so the graph keeps its bytes; others become an edit of the graph.
 * @throws LabError LAB_ATTACK_UNFIT without a region
 */
export function toChannelPlan(
  model: Model,
  regions: readonly Region[],
  toChannels: (region: Region, known: Known) => readonly Channel[],
): RewritePlan {
  if (regions.length === 0) {
    const reason = model.graph === null ? 'the format has no graph' : 'no hidden channels are free of others';
    throw new LabError('LAB_ATTACK_UNFIT', { fields: { reason } });
  }
  const known: Known = { tensors: toTensors(model), into: new Map() };
  const counts = new Map<Region, number>();
  for (const region of regions) {
    const channels = toChannels(region, known);
    counts.set(region, channels.length);
    remapRegion(region, channels, known);
  }
  const isSameSize = regions.every((region) => counts.get(region) === region.channels);
  if (isSameSize)
    return model.plan(replaceTensors(model, new Map([...known.into].map(([name, { values }]) => [name, values]))));
  return resize(model, known, counts);
}

/** Euclidean norm of each channel's row, as it is now. */
export function toRowNorms({ parts, channels }: Region, { tensors, into }: Known): Float64Array {
  const row = parts.find(({ role }) => role === 'row')!;
  const tensor = tensors.get(row.tensor)!;
  const { shape, values } = into.get(row.tensor) ?? { shape: tensor.shape, values: readValues(tensor) };
  const inner = shape.slice(row.axis + 1).reduce((product, size) => product * size, 1);
  const norms = new Float64Array(channels);
  for (const [at, value] of values.entries()) norms[Math.floor(at / inner) % channels] += value * value;
  return norms.map(Math.sqrt);
}

function resize(model: Model, { tensors, into }: Known, counts: ReadonlyMap<Region, number>): RewritePlan {
  return editGraph(model, (tx) => {
    for (const [name, { shape, values }] of into) {
      const { dtype } = tensors.get(name)!;
      const sized = {
        ...tensors.get(name)!,
        elementCount: values.length,
        byteLength: toByteLength(tensors.get(name)!, values.length),
      };
      tx.setTensor(name, { dtype, shape, data: toTensorBytes(sized, values) });
    }
    for (const [region, count] of counts) {
      for (const output of region.grouped) tx.setAttribute({ output }, 'group', { int: count });
      // Shapes that exporters noted along the way are those of the old channels.
      for (const value of region.values) {
        const known = model.graph?.values.get(value);
        if (known !== undefined) tx.setType(value, { dtype: known.dtype, shape: null });
      }
    }
  }).toRewrite();
}

function toByteLength({ byteLength, elementCount }: TensorRef, count: number): number {
  return (byteLength / elementCount) * count;
}
