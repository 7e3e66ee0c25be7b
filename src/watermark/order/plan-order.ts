/** Which spaces of a model carry a neuron order, and which tensors follow them (docs/spec/recipient-code.md §3). */
import { listLayerUses, type Topology } from '../../align/index.ts';
import { DTYPES } from '../../model/dtype.ts';
import type { GraphNode, Model, TensorRef } from '../../model/types.ts';
import { listAxisSpaces } from './axis-move.ts';
import { type ConstantUses, listConstantUses } from './constant-uses.ts';
import type { CodedSpace } from './places.ts';
import { listTensorParts, type TensorPart } from './tensor-parts.ts';
import { isMovable, isUniform } from './movable.ts';

/** A space of the topology that could move by its operators, but must not. */
export interface HeldSpace {
  readonly space: number;
  readonly channels: number;
  /** In words. */
  readonly reason: string;
}

export interface OrderPlan {
  readonly coded: readonly CodedSpace[];
  readonly held: readonly HeldSpace[];
  readonly parts: readonly TensorPart[];
}

/**
 * The topology says which channels belong together; what it says for reading is checked again before anything is moved,
 * because a mistake there costs a reading, and here the model. A tensor that serves anything else holds its spaces.
 */
export function planOrder(model: Model, topology: Topology): OrderPlan {
  const uses = listConstantUses(model);
  const parts = listTensorParts(topology, model, uses);
  const held = new Map<number, string>();
  const hold = (spaces: readonly number[], reason: string): void => {
    for (const space of spaces) if (!held.has(space)) held.set(space, reason);
  };
  const wholeReason = findWholeObstacle(model);
  if (wholeReason !== null) hold([...topology.spaces.keys()], wholeReason);
  const sharing = listSharing(model.tensors);
  const kept: TensorPart[] = [];
  for (const part of parts) {
    if (isUniform(part)) continue;
    kept.push(part);
    const reason = part.obstacle ?? findUseObstacle(part, model, uses, sharing) ?? findLayoutObstacle(part);
    if (reason === null) continue;
    const spaces = [...part.axes.flatMap(listAxisSpaces), ...listOtherSpaces(part, model, topology, uses)];
    hold(spaces, `${part.tensor.name}: ${reason}`);
  }
  const blocks = toBlocks(topology, kept, hold);
  const permutable = [...topology.spaces.entries()].filter(([, space]) => space.isPermutable && space.channels > 1);
  return {
    coded: permutable
      .filter(([index]) => !held.has(index))
      .map(([index, { channels }]) => ({ space: index, channels, blocks: blocks.get(index) ?? 1 }))
      .filter(({ channels, blocks: count }) => channels > count),
    held: permutable.flatMap(([index, { channels }]) => {
      const reason = held.get(index);
      return reason === undefined ? [] : [{ space: index, channels, reason }];
    }),
    parts: kept,
  };
}

/** What the walk over the graph passes over, because it only matters when channels really move. */
function findWholeObstacle(model: Model): string | null {
  if (model.graph === null) return null;
  const isConstant = toConstantTest(model);
  const norms = new Set(['BatchNormalization', 'InstanceNormalization', 'LayerNormalization', 'GroupNormalization']);
  const biased: Readonly<Record<string, number | undefined>> = { Conv: 2, ConvTranspose: 2, Gemm: 2 };
  for (const node of model.graph.nodes) {
    const operands = norms.has(node.op) ? node.inputs.slice(1) : [node.inputs[biased[node.op] ?? -1] ?? ''];
    if (operands.some((name) => name !== '' && !isConstant(name))) return `${node.op} takes a computed operand`;
    const isLinear = node.op === 'DequantizeLinear' || node.op === 'QuantizeLinear';
    if (
      isLinear &&
      !isConstant(node.inputs[0] ?? '') &&
      (model.graph.tensors.get(node.inputs[1])?.elementCount ?? 2) > 1
    ) {
      return 'activations are quantised channel by channel';
    }
  }
  return null;
}

/** True for constants and plain views of constants. */
function toConstantTest({ graph }: Model): (name: string) => boolean {
  const producers = new Map<string, GraphNode>();
  for (const node of graph?.nodes ?? []) for (const output of node.outputs) producers.set(output, node);
  const test = (name: string, steps: number): boolean => {
    if (graph?.tensors.has(name) === true) return true;
    const node = producers.get(name);
    const isView = node !== undefined && steps > 0 && VIEW_OPS.has(node.op);
    return isView && test(node.inputs[0] ?? '', steps - 1);
  };
  return (name) => test(name, 8);
}

const VIEW_OPS = new Set(['Identity', 'Cast', 'QuantizeLinear', 'DequantizeLinear', 'Transpose', 'Reshape']);

/** Tensors that lie in bytes of another one. */
function listSharing(tensors: readonly TensorRef[]): ReadonlySet<TensorRef> {
  const sorted = tensors
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.fileIndex - b.fileIndex || a.start - b.start);
  const found = new Set<TensorRef>();
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1], sorted[i]];
    if (before.fileIndex === after.fileIndex && after.start < before.end) found.add(before).add(after);
  }
  return found;
}

function findUseObstacle(
  { tensor }: TensorPart,
  model: Model,
  uses: ConstantUses,
  sharing: ReadonlySet<TensorRef>,
): string | null {
  if (sharing.has(tensor)) return 'its bytes serve another tensor, too';
  if (model.graph === null) return null;
  const nodes = new Set(uses.final(tensor.name).map(({ node }) => node));
  return nodes.size === 1 ? null : 'more than one operator reads it';
}

/**
 * Spaces of the other operators that read a tensor: the topology keeps one use of each. Those of a layer are its own; what
 * any other operator reads might belong to every space.
 */
function listOtherSpaces({ tensor }: TensorPart, model: Model, topology: Topology, uses: ConstantUses): number[] {
  if (model.graph === null) return [];
  const nodes = new Set(uses.final(tensor.name).map(({ node }) => node));
  if (nodes.size <= 1) return [];
  const layers = new Map(topology.layers.map((layer) => [layer.name, layer]));
  const byNode = new Map(listLayerUses(model.graph).map(({ node, weight }) => [node, layers.get(weight.tensor.name)]));
  return [...nodes].flatMap((node) => {
    const layer = byNode.get(node);
    return layer === undefined
      ? [...topology.spaces.keys()]
      : [...listAxisSpaces(layer.out), ...listAxisSpaces(layer.in)];
  });
}

function findLayoutObstacle(part: TensorPart): string | null {
  const { tensor, layerAxes } = part;
  if (DTYPES[tensor.dtype].kind === 'string') return 'it holds texts';
  if (!isMovable(part)) return `${tensor.dtype} packs neighbours of a moving axis`;
  const { quantization } = tensor;
  const isScaled = quantization !== null && quantization !== undefined && quantization.count > 1;
  return isScaled && layerAxes.some((axis) => axis === quantization.axis)
    ? 'the file keeps a scale for each channel outside of the tensors'
    : null;
}

/** Groups of convolutions: a channel stays in its group. Several groupings of one space give the finest. */
function toBlocks(
  { spaces }: Topology,
  parts: readonly TensorPart[],
  hold: (spaces: readonly number[], reason: string) => void,
): Map<number, number> {
  const blocks = new Map<number, number>();
  for (const { axes, groups, tensor } of parts) {
    if (groups <= 1) continue;
    for (const axis of axes) {
      const [segment, ...others] = axis.segments;
      const own = listAxisSpaces(axis);
      if (own.length === 0) continue;
      const isPlain = others.length === 0 && axis.inner === 1;
      const count = leastCommonMultiple(blocks.get(segment.space) ?? 1, groups);
      if (!isPlain || spaces[segment.space].channels % count !== 0)
        hold(own, `${tensor.name}: groups that do not line up`);
      else blocks.set(segment.space, count);
    }
  }
  return blocks;
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
