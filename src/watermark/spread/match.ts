/** Finds the suspect's tensors for the claim's layers: by name, then by shape in order, then by trying (docs/spec/watermark.md §6.3). */
import { type Layer, type Topology, toTopology } from '../../align/index.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { isMarkable } from '../elements.ts';

/** A tensor of the suspect that may be one of the claim's layers. */
export interface Candidate {
  readonly tensor: TensorRef;
  /** True when its two dimensions lie the other way round. */
  readonly isTransposed: boolean;
}

export interface LayerMatch {
  readonly layer: Layer;
  /** The first is the match by name, or by shape in order; the others fit the shape, too. [] when nothing fits. */
  readonly candidates: readonly Candidate[];
  readonly isNamed: boolean;
}

/** Beyond this many same-shaped tensors a search would cost more bits than it can find. */
const CANDIDATES_MAX = 8;

/** Candidates for each layer of `layers`. */
export function matchLayers(layers: readonly Layer[], suspect: Model): LayerMatch[] {
  const topology = toTopology(suspect);
  const tensors = new Map(suspect.tensors.map((tensor) => [tensor.name, tensor]));
  const pool = listPool(topology, suspect, tensors);
  const isFit = (layer: Layer, item: PoolTensor): boolean => listOrientations(layer, item).length > 0;
  const findNamed = (layer: Layer): PoolTensor | undefined => {
    const found = pool.get(layer.name);
    return found !== undefined && isFit(layer, found) ? found : undefined;
  };
  const free = new Map(pool);
  for (const layer of layers) if (findNamed(layer) !== undefined) free.delete(layer.name);
  const unnamed = groupByShape(layers.filter((layer) => findNamed(layer) === undefined));
  return layers.map((layer) => {
    const named = findNamed(layer);
    const group = unnamed.get(toShapeKey(layer.storedShape)) ?? [];
    const open = [...free.values()].filter((item) => isFit(layer, item));
    const first = named ?? (open.length === group.length ? open[group.indexOf(layer)] : undefined);
    const fitting = [...pool.values()].filter((item) => isFit(layer, item));
    const others = fitting.length <= CANDIDATES_MAX ? fitting.filter((item) => item !== first) : [];
    const candidates = toCandidates(layer, first === undefined ? others : [first, ...others]);
    return { layer, candidates, isNamed: named !== undefined };
  });
}

interface PoolTensor {
  readonly tensor: TensorRef;
  /** From the suspect's own graph; null without one. */
  readonly layer: Layer | null;
}

/** Tensors that can be layers: those of the suspect's graph, else all of rank 2 or more; by name, in order. */
function listPool(
  topology: Topology,
  suspect: Model,
  tensors: ReadonlyMap<string, TensorRef>,
): Map<string, PoolTensor> {
  const pool = new Map<string, PoolTensor>();
  if (suspect.graph !== null) {
    for (const layer of topology.layers) pool.set(layer.name, { tensor: tensors.get(layer.name)!, layer });
  }
  for (const tensor of suspect.tensors) {
    if (pool.has(tensor.name) || tensor.shape.length < 2) continue;
    if (suspect.graph === null) pool.set(tensor.name, { tensor, layer: null });
  }
  return new Map([...pool].filter(([, { tensor }]) => isMarkable(tensor.dtype)));
}

/** Equal for a shape and its transpose, and blind to dimensions of 1. */
function toShapeKey(shape: readonly number[]): string {
  const dims = shape.filter((dim) => dim !== 1);
  return (dims.length === 2 ? [...dims].sort((a, b) => a - b) : dims).join('x');
}

function groupByShape(layers: readonly Layer[]): Map<string, Layer[]> {
  const groups = new Map<string, Layer[]>();
  for (const layer of layers) {
    const key = toShapeKey(layer.storedShape);
    groups.set(key, [...(groups.get(key) ?? []), layer]);
  }
  return groups;
}

/** The ways in which a suspect tensor can be read as `layer`: as it lies, transposed, or (square, no graph) either. */
function listOrientations(layer: Layer, { tensor, layer: own }: PoolTensor): boolean[] {
  const ours = layer.storedShape.filter((dim) => dim !== 1);
  const theirs = tensor.shape.filter((dim) => dim !== 1);
  const isSame = ours.length === theirs.length && ours.every((dim, i) => dim === theirs[i]);
  const isSwap = ours.length === 2 && theirs.length === 2 && ours[0] === theirs[1] && ours[1] === theirs[0];
  if (!isSwap) return isSame || isReshaped(layer, tensor) ? [false] : [];
  if (typeof own?.outAxis === 'number' && layer.outAxis !== null && layer.kind !== 'plain') {
    const isTurned = own.outAxis !== layer.outAxis;
    return (isTurned ? isSwap : isSame) ? [isTurned] : [];
  }
  return isSame ? [false, true] : [true];
}

/** Same name and same number of elements: a reshape that a converter folded. */
function isReshaped(layer: Layer, tensor: TensorRef): boolean {
  const count = layer.storedShape.reduce((product, dim) => product * dim, 1);
  return layer.name === tensor.name && tensor.elementCount === count;
}

function toCandidates(layer: Layer, items: readonly PoolTensor[]): Candidate[] {
  return items.flatMap((item) =>
    listOrientations(layer, item).map((isTransposed) => ({ tensor: item.tensor, isTransposed })),
  );
}
