/** Finds the suspect's tensors for the claim's layers: by name (also as llama.cpp gives it), then by shape in order, then by trying (docs/spec/watermark.md §6.3). */
import {
  type ElementOrder,
  findLlamaName,
  type Layer,
  listOrders,
  listRotaryOrders,
  type Topology,
  toTopology,
} from '../../align/index.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { isMarkable } from '../elements.ts';

/** A tensor of the suspect that may be one of the claim's layers. */
export interface Candidate {
  readonly tensor: TensorRef;
  /** Where the layer's elements lie in it; empty when both lie alike. */
  readonly order: ElementOrder;
}

export interface LayerMatch {
  readonly layer: Layer;
  /** The first is the match by name, or by shape in order; the others fit the shape, too. [] when nothing fits. */
  readonly candidates: readonly Candidate[];
  readonly isNamed: boolean;
}

/** Beyond this many fitting tensors a search would cost more bits than it can find. */
const CANDIDATES_MAX = 8;

/** Candidates for each layer of `layers`. */
export function matchLayers(layers: readonly Layer[], suspect: Model): LayerMatch[] {
  const pool = listPool(toTopology(suspect), suspect);
  const fits = layers.map((layer) => listFits(layer, pool, suspect));
  const named = layers.map((layer, i) => {
    const isSame = ({ tensor }: Fit): boolean => tensor.name === layer.name;
    return fits[i].find(isSame) ?? fits[i].find(({ tensor }) => isRenamed(layer.name, tensor.name));
  });
  const taken = new Set(named.map((fit) => fit?.tensor));
  const open = fits.map((own) => own.filter(({ tensor }) => !taken.has(tensor)));
  // Unnamed layers that fit the same free tensors are told apart by their order, when there are as many of both.
  const keys = open.map((own) => own.map(({ tensor }) => tensor.name).join('\0'));
  const rivals = new Map<string, number[]>();
  keys.forEach((key, i) => {
    if (named[i] === undefined) rivals.set(key, [...(rivals.get(key) ?? []), i]);
  });
  return layers.map((layer, i) => {
    const group = rivals.get(keys[i]) ?? [];
    const first = named[i] ?? (open[i].length === group.length ? open[i][group.indexOf(i)] : undefined);
    const others = fits[i].length <= CANDIDATES_MAX ? fits[i].filter((fit) => fit !== first) : [];
    return {
      layer,
      candidates: toCandidates(first === undefined ? others : [first, ...others]),
      isNamed: named[i] !== undefined,
    };
  });
}

interface PoolTensor {
  readonly tensor: TensorRef;
  /** From the suspect's own graph; null without one. */
  readonly layer: Layer | null;
}

/** Tensors that can be layers: those of the suspect's graph, else all of rank 2 or more; in order. */
function listPool(topology: Topology, suspect: Model): PoolTensor[] {
  const tensors = new Map(suspect.tensors.map((tensor) => [tensor.name, tensor]));
  const pool =
    suspect.graph === null
      ? suspect.tensors.filter(({ shape }) => shape.length >= 2).map((tensor) => ({ tensor, layer: null }))
      : topology.layers.map((layer) => ({ tensor: tensors.get(layer.name)!, layer }));
  return pool.filter(({ tensor }) => isMarkable(tensor.dtype));
}

/** A tensor that holds as many elements as a layer, and the orders in which it can hold them. */
interface Fit {
  readonly tensor: TensorRef;
  readonly orders: readonly ElementOrder[];
}

/** True for one tensor under its name in a checkpoint and under the one that llama.cpp's converter gives it. */
function isRenamed(ours: string, theirs: string): boolean {
  if (ours === theirs) return false;
  const common = findLlamaName(ours);
  return common !== null && common === findLlamaName(theirs);
}

function listFits(layer: Layer, pool: readonly PoolTensor[], suspect: Model): Fit[] {
  const count = layer.storedShape.reduce((product, dim) => product * dim, 1);
  return pool.flatMap(({ tensor, layer: own }) => {
    if (tensor.elementCount !== count) return [];
    const orders = listAllOrders(layer, { tensor, layer: own }, suspect);
    // Same name and same number of elements: a reshape that a converter folded.
    if (orders.length === 0 && layer.name !== tensor.name) return [];
    return [{ tensor, orders: orders.length === 0 ? [[]] : orders }];
  });
}

/** The usual orders; and those that llama.cpp's converter may have given, instead of them where the file says so. */
function listAllOrders(layer: Layer, { tensor, layer: own }: PoolTensor, suspect: Model): readonly ElementOrder[] {
  const orders = listOrders(layer, own, tensor.shape);
  const isMaybeMoved = layer.kind === 'plain' && own === null && isRenamed(layer.name, tensor.name);
  if (!isMaybeMoved || !layer.shape.every((dim, axis) => dim === tensor.shape[axis])) return orders;
  const { shape } = tensor;
  const rotary = listRotaryOrders({ ours: layer.name, theirs: tensor.name, shape, metadata: suspect.metadata });
  return rotary.isCertain ? rotary.orders : [...orders, ...rotary.orders];
}

function toCandidates(fits: readonly Fit[]): Candidate[] {
  return fits.flatMap(({ tensor, orders }) => orders.map((order) => ({ tensor, order })));
}
