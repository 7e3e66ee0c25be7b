/** Finds the suspect's tensors for the claim's layers: by name (also as llama.cpp gives it), then by shape in order, then by trying (docs/spec/watermark.md §6.3). */
import {
  type ElementOrder,
  findLlamaName,
  type Layer,
  listOrders,
  listRotaryOrders,
  toPlainKernels,
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
export function matchLayers(layers: readonly Layer[], given: Model): LayerMatch[] {
  const suspect = toPlainKernels(given);
  const pool = listPool(toTopology(suspect), suspect);
  const fits = layers.map((layer) => listFits(layer, pool, suspect));
  const named = layers.map(({ name }, i) => {
    return fits[i].find(({ tensor }) => tensor.name === name) ?? fits[i].find(({ isRenamed }) => isRenamed);
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
  /** Its name at llama.cpp; null for a name that is in no checkpoint. */
  readonly common: string | null;
}

/** Tensors that can be layers: those of the suspect's graph, else all of rank 2 or more; in order. */
function listPool(topology: Topology, suspect: Model): PoolTensor[] {
  const tensors = new Map(suspect.tensors.map((tensor) => [tensor.name, tensor]));
  const pool =
    suspect.graph === null
      ? suspect.tensors.filter(({ shape }) => shape.length >= 2).map((tensor) => ({ tensor, layer: null }))
      : topology.layers.map((layer) => ({ tensor: tensors.get(layer.name)!, layer }));
  return pool
    .filter(({ tensor }) => isMarkable(tensor.dtype))
    .map((item) => ({ ...item, common: findLlamaName(item.tensor.name) }));
}

/** A tensor that holds as many elements as a layer, and the orders in which it can hold them. */
interface Fit {
  readonly tensor: TensorRef;
  /** True when one of the two has the other's name as llama.cpp's converter gives it. */
  readonly isRenamed: boolean;
  readonly orders: readonly ElementOrder[];
}

function listFits(layer: Layer, pool: readonly PoolTensor[], suspect: Model): Fit[] {
  const count = layer.storedShape.reduce((product, dim) => product * dim, 1);
  const common = findLlamaName(layer.name);
  return pool.flatMap(({ tensor, layer: own, common: theirs }) => {
    if (tensor.elementCount !== count) return [];
    const isRenamed = common !== null && common === theirs && layer.name !== tensor.name;
    const usual = listOrders(layer, own, tensor.shape);
    const isRowMajor = layer.outAxis === 0 && layer.inAxis === 1 && own === null;
    const orders = isRenamed && isRowMajor ? addRotaryOrders(layer, tensor, usual, suspect) : usual;
    // Same name and same number of elements: a reshape that a converter folded.
    if (orders.length === 0 && layer.name !== tensor.name) return [];
    return [{ tensor, isRenamed, orders: orders.length === 0 ? [[]] : orders }];
  });
}

/** With the orders that llama.cpp's converter may have given; these alone where the file says so. */
function addRotaryOrders(
  layer: Layer,
  { name, shape }: TensorRef,
  usual: readonly ElementOrder[],
  { metadata }: Model,
): readonly ElementOrder[] {
  if (!layer.shape.every((dim, axis) => dim === shape[axis])) return usual;
  const { orders, isCertain } = listRotaryOrders({ ours: layer.name, theirs: name, shape, metadata });
  return isCertain ? orders : [...usual, ...orders];
}

function toCandidates(fits: readonly Fit[]): Candidate[] {
  return fits.flatMap(({ tensor, orders }) => orders.map((order) => ({ tensor, order })));
}
