/** Which tensor of one model is which layer of another, in the order of the files (docs/spec/lineage.md §2). */
import {
  type ElementOrder,
  findLlamaName,
  type Layer,
  listOrders,
  listRotaryOrders,
  toTopology,
  type Topology,
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

export function toFrame(model: Model): Frame {
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
 * have its shape. Null where nothing fits.
 */
export function pairFrames(frame: Frame, other: Frame): (TensorPair | null)[] {
  const fits = frame.layers.map((own) => listFits(own, other));
  const pairs = fits.map((own, i) => findNamed(frame.layers[i], own));
  const taken = new Set(pairs.map((pair) => pair?.theirs));
  const open = fits.map((own) => own.filter(({ theirs }) => !taken.has(theirs)));
  const rivals = new Map<string, number[]>();
  open.forEach((own, i) => {
    const key = own.map(({ theirs }) => theirs.tensor.name).join('\0');
    if (pairs[i] === null && own.length > 0) rivals.set(key, [...(rivals.get(key) ?? []), i]);
  });
  // Layers that fit the same free tensors are told apart by their order, when there are as many of both.
  for (const group of rivals.values()) {
    if (open[group[0]].length === group.length) for (const [at, i] of group.entries()) pairs[i] = open[i][at];
  }
  return pairs;
}

/** Every tensor of `other` that can hold the layer. */
export function listFits({ layer, tensor }: FrameLayer, other: Frame): TensorPair[] {
  return other.layers.flatMap((theirs) => {
    if (theirs.tensor.elementCount !== tensor.elementCount) return [];
    const orders = toOrders(layer, theirs, other.model);
    return orders.length === 0 ? [] : [{ layer, ours: tensor, theirs, orders }];
  });
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

function findNamed({ layer }: FrameLayer, fits: readonly TensorPair[]): TensorPair | null {
  const common = findLlamaName(layer.name);
  const named = fits.find(({ theirs }) => theirs.tensor.name === layer.name);
  const renamed = fits.find(({ theirs }) => common !== null && findLlamaName(theirs.tensor.name) === common);
  return named ?? renamed ?? null;
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
