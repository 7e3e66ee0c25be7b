/** Every tensor that is indexed by channels: layers, vectors, and the scales of quantised ones (docs/spec/recipient-code.md §3.1). */
import type { ChannelAxis, Layer, Topology } from '../../align/index.ts';
import type { GraphNode, Model, TensorRef } from '../../model/types.ts';
import type { ConstantUse, ConstantUses } from './constant-uses.ts';

/** One tensor and the axes whose channels can move. */
export interface TensorPart {
  readonly tensor: TensorRef;
  /** Row-major as stored; an axis on which every channel is a run of entries is cut in two, channels before entries. */
  readonly shape: readonly number[];
  readonly axes: readonly ChannelAxis[];
  /** The same axes as the layer counts them. */
  readonly layerAxes: readonly number[];
  /** Groups of a convolution that is not depthwise: its input axis holds the entries of one group. */
  readonly groups: number;
  /** Why it must stay as it is; null when it can move. */
  readonly obstacle: string | null;
}

/** Scale and zero point beside the weight, by operator: their places among the inputs. */
const SCALE_INPUTS: Readonly<
  Record<string, { readonly weight: number; readonly scales: readonly number[] } | undefined>
> = Object.assign(Object.create(null) as Record<string, { weight: number; scales: number[] }>, {
  QLinearConv: { weight: 3, scales: [4, 5] },
  QLinearMatMul: { weight: 3, scales: [4, 5] },
  ConvInteger: { weight: 1, scales: [3] },
  MatMulInteger: { weight: 1, scales: [3] },
});

/** All of them, in the order of the topology; companions follow the tensor that they scale. */
export function listTensorParts(topology: Topology, model: Model, uses: ConstantUses): TensorPart[] {
  const tensors = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  const parts: TensorPart[] = [];
  const isMoving = (axis: ChannelAxis | null): axis is ChannelAxis =>
    axis?.segments.some(({ space }) => space >= 0 && topology.spaces[space].isPermutable) ?? false;
  const add = ({ name, axes, ...rest }: Indexed): void => {
    const tensor = tensors.get(name);
    const moving = axes.filter(isMoving);
    if (tensor === undefined || moving.length === 0) return;
    const bare = { tensor, axes: moving, ...rest };
    const companions = listCompanions(bare, tensors, uses);
    const count = rest.shape.reduce((product, dim) => product * dim, 1);
    const obstacle = count === tensor.elementCount ? companions.obstacle : 'its size is not that of the layer';
    parts.push(toPart(bare, obstacle), ...companions.parts);
  };
  for (const layer of topology.layers) add(toIndexed(layer));
  for (const { name, shape, channels } of topology.vectors) {
    add({ name, shape, axes: [channels], groups: 1, outAxis: channels.axis });
  }
  return parts;
}

interface Indexed {
  readonly name: string;
  readonly shape: readonly number[];
  readonly axes: readonly (ChannelAxis | null)[];
  readonly groups: number;
  readonly outAxis: number;
}

function toIndexed(layer: Layer): Indexed {
  const { name, shape, out, in: input, outAxis } = layer;
  return { name, shape, axes: [out, input], groups: toGroups(layer), outAxis: outAxis ?? 0 };
}

/** Cuts axes on which a channel is a run of entries, so that runs move as one piece. */
function toPart({ tensor, shape, axes, groups }: Bare, obstacle: string | null): TensorPart {
  const isCut = ({ inner, isInterleaved }: ChannelAxis): boolean => inner > 1 && isInterleaved !== true;
  const cuts = axes.filter(isCut);
  const split = shape.flatMap((length, axis) => {
    const cut = cuts.find((own) => own.axis === axis);
    return cut === undefined ? [length] : [length / cut.inner, cut.inner];
  });
  const moved = axes.map((own): ChannelAxis => {
    const axis = own.axis + cuts.filter((cut) => cut.axis < own.axis).length;
    return isCut(own) ? { axis, segments: own.segments, inner: 1 } : { ...own, axis };
  });
  return { tensor, shape: split, axes: moved, layerAxes: axes.map(({ axis }) => axis), groups, obstacle };
}

/** A depthwise kernel has no input axis to move. */
function toGroups({ groups, in: input }: Layer): number {
  return input === null ? 1 : groups;
}

interface Bare extends Omit<Indexed, 'name'> {
  readonly tensor: TensorRef;
  readonly axes: readonly ChannelAxis[];
}

interface Companions {
  readonly parts: readonly TensorPart[];
  readonly obstacle: string | null;
}

function listCompanions(part: Bare, tensors: ReadonlyMap<string, TensorRef>, uses: ConstantUses): Companions {
  const parts: TensorPart[] = [];
  for (const use of uses.direct(part.tensor.name)) {
    const found = findScales(part, use);
    if (found === null) continue;
    for (const name of found.names) {
      const scale = tensors.get(name);
      if (scale === undefined) return { parts: [], obstacle: 'its scales are computed' };
      if (scale.elementCount === 1) continue;
      const axis = part.axes.find((own) => own.axis === found.axis);
      if (scale.shape.length !== 1 || scale.elementCount !== part.shape[found.axis]) {
        return { parts: [], obstacle: 'its scales belong to blocks' };
      }
      if (axis === undefined) continue;
      const isShared = uses.direct(name).some(({ node }) => node !== use.node);
      const obstacle = isShared ? 'its scales serve other tensors, too' : null;
      const bare = { tensor: scale, shape: scale.shape, axes: [{ ...axis, axis: 0 }], groups: 1, outAxis: 0 };
      parts.push(toPart(bare, obstacle));
    }
  }
  return { parts, obstacle: null };
}

/** Names of scale and zero point beside the tensor, and the axis that they go along. */
function findScales({ tensor, shape, outAxis }: Bare, { node, input }: ConstantUse) {
  const isLinear = node.op === 'DequantizeLinear' || node.op === 'QuantizeLinear';
  if (isLinear && input === 0) {
    const axis = findNumber(node, 'axis', 1);
    const isReshaped = shape.length !== tensor.shape.length;
    const own = axis < 0 ? axis + tensor.shape.length : axis;
    return { names: node.inputs.slice(1, 3).filter((name) => name !== ''), axis: isReshaped ? -1 : own };
  }
  const row = SCALE_INPUTS[node.op];
  if (row?.weight !== input) return null;
  return { names: row.scales.map((at) => node.inputs[at] ?? '').filter((name) => name !== ''), axis: outAxis };
}

function findNumber(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? Number(attribute.value) : otherwise;
}
