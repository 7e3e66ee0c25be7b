/** Which tensor of one model is which layer of another, in the order of the files (docs/spec/lineage.md §2). */
import {
  type ElementOrder,
  findLlamaName,
  type Layer,
  listOrders,
  listRotaryOrders,
  toTopology,
  type Topology,
  toPlainKernels,
} from '../align/index.ts';
import type { Model, TensorRef } from '../model/types.ts';
import { isNumeric } from './elements.ts';

/** A model with what is known of its layers. */
export interface Frame {
  readonly model: Model;
  readonly topology: Topology;
  /** Layers that can be read as numbers, with their tensors. */
  readonly layers: readonly FrameLayer[];
}

export interface FrameLayer {
  readonly layer: Layer;
  readonly tensor: TensorRef;
}

export function toFrame(given: Model): Frame {
  const model = toPlainKernels(given);
  const topology = toTopology(model);
  const tensors = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  const layers = topology.layers.flatMap((layer) => {
    const tensor = tensors.get(layer.name);
    return tensor !== undefined && isNumeric(tensor) ? [{ layer, tensor }] : [];
  });
  return { model, topology, layers };
}

/** Whether anything says which neurons of the model could change places: a graph, or the names of a language model. */
export function knowsNeurons({ topology }: Frame): boolean {
  return topology.spaces.some(({ isPermutable }) => isPermutable);
}

/** A layer of one model and the tensor of another that may be it. */
export interface TensorPair {
  readonly layer: Layer;
  readonly ours: TensorRef;
  readonly theirs: FrameLayer;
  /** Ways in which the other tensor can hold the layer's elements; the first is the likeliest. */
  readonly orders: readonly ElementOrder[];
}

/**
 * For each layer of `frame` the tensor of `other`: of its name, of its name at llama.cpp, or of its place among all that
 * have its shape. Null where nothing fits. Language models have hundreds of layers of one shape: which fit which is never
 * kept for all of them.
 */
export function pairFrames(frame: Frame, other: Frame): (TensorPair | null)[] {
  const byName = groupBy(other.layers, ({ layer }) => layer.name);
  const byCommonName = groupBy(other.layers, ({ layer }) => findLlamaName(layer.name));
  const pairs = frame.layers.map((own) => {
    const common = findLlamaName(own.layer.name);
    const renamed = common === null ? [] : (byCommonName.get(common) ?? []);
    return findFit(own, [...(byName.get(own.layer.name) ?? []), ...renamed], other);
  });
  const taken = new Set(pairs.map((pair) => pair?.theirs));
  const rivals = new Map<string, { readonly layers: number[]; readonly open: readonly FrameLayer[] }>();
  frame.layers.forEach((own, i) => {
    if (pairs[i] !== null) return;
    const open = listFits(own, other).flatMap(({ theirs }) => (taken.has(theirs) ? [] : [theirs]));
    if (open.length === 0) return;
    const key = open.map(({ tensor }) => tensor.name).join('\0');
    const group = rivals.get(key) ?? { layers: [], open };
    group.layers.push(i);
    rivals.set(key, group);
  });
  // Layers that fit the same free tensors are told apart by their order, when there are as many of both.
  for (const { layers, open } of rivals.values()) {
    if (open.length === layers.length) {
      for (const [at, i] of layers.entries()) pairs[i] = findFit(frame.layers[i], [open[at]], other);
    }
  }
  return pairs;
}

function groupBy(layers: readonly FrameLayer[], toKey: (layer: FrameLayer) => string | null) {
  const groups = new Map<string, FrameLayer[]>();
  for (const layer of layers) {
    const key = toKey(layer);
    if (key !== null) groups.set(key, [...(groups.get(key) ?? []), layer]);
  }
  return groups;
}

/** The first of some tensors that can hold the layer. */
function findFit(own: FrameLayer, some: readonly FrameLayer[], other: Frame): TensorPair | null {
  for (const theirs of some) {
    const pair = toPair(own, theirs, other);
    if (pair !== null) return pair;
  }
  return null;
}

/** Every tensor of `other` that can hold the layer. */
export function listFits(own: FrameLayer, other: Frame): TensorPair[] {
  return other.layers.flatMap((theirs) => toPair(own, theirs, other) ?? []);
}

function toPair({ layer, tensor }: FrameLayer, theirs: FrameLayer, other: Frame): TensorPair | null {
  if (theirs.tensor.elementCount !== tensor.elementCount) return null;
  const orders = toOrders(layer, theirs, other.model);
  return orders.length === 0 ? null : { layer, ours: tensor, theirs, orders };
}

function toOrders(layer: Layer, theirs: FrameLayer, { graph, metadata }: Model): readonly ElementOrder[] {
  const own = graph === null ? null : theirs.layer;
  const usual = listOrders(layer, own, theirs.tensor.shape);
  const isRowMajor = layer.outAxis === 0 && layer.inAxis === 1 && own === null;
  const common = findLlamaName(layer.name);
  const isRenamed =
    common !== null && layer.name !== theirs.tensor.name && common === findLlamaName(theirs.tensor.name);
  const { shape } = theirs.tensor;
  if (!isRowMajor || !isRenamed || !layer.shape.every((dim, axis) => dim === shape[axis])) return usual;
  const { orders, isCertain } = listRotaryOrders({ ours: layer.name, theirs: theirs.tensor.name, shape, metadata });
  return isCertain ? orders : [...usual, ...orders];
}

/** Where elements of the layer (row-major places) lie in the other tensor. */
export function toTheirPlaces(order: ElementOrder, places: Float64Array): Float64Array {
  if (order.length === 0) return places;
  const inner = [...order].reverse();
  return places.map((place) => {
    let rest = place;
    let at = 0;
    for (const { size, stride } of inner) {
      at += (rest % size) * stride;
      rest = Math.floor(rest / size);
    }
    return at;
  });
}
