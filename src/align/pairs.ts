/** Pairs the original's layers and vectors with the suspect's tensors: by name, by place in the graph, by shape (docs/spec/watermark.md §7.1). */
import type { Model, TensorRef } from '../model/types.ts';
import { isNumeric, toSingles, type LayerShape } from './lattice.ts';
import { findLlamaName } from './llama-names.ts';
import type { ChannelVector, Layer, Topology } from './ports.ts';
import { findRotaryRows } from './rotary-order.ts';
import { toTopology } from './topology.ts';

/** The suspect's tensors in the order of the topology's layers and vectors; null where nothing fits. */
export interface Pairs {
  readonly layers: readonly (LayerShape | null)[];
  readonly vectors: readonly (TensorRef | null)[];
}

/** Pairs every layer and vector of `topology` with a tensor of `suspect`. Channel counts may differ (added neurons). */
export function pairTensors(topology: Topology, original: Model, suspect: Model): Pairs {
  const own = toTopology(suspect);
  const tensors = new Map(suspect.tensors.map((tensor) => [tensor.name, tensor]));
  const pool = new Map<string, LayerShape>();
  for (const layer of own.layers) {
    const tensor = tensors.get(layer.name);
    if (tensor !== undefined && isNumeric(tensor)) pool.set(layer.name, toShape(layer, tensor));
  }
  const renamed = new Map([...pool.values()].flatMap((item) => toCommonEntry(item)));
  const isSequence = suspect.graph !== null && own.layers.length === topology.layers.length;
  const layers = topology.layers.map((layer, index): LayerShape | null => {
    const named = pool.get(layer.name);
    if (named !== undefined) {
      const fit = findFit(layer, named, suspect.graph !== null);
      if (fit !== undefined) return fit;
    }
    const common = findLlamaName(layer.name);
    const other = common === null ? undefined : renamed.get(common);
    if (other !== undefined) {
      const fit = findFit(layer, other, suspect.graph !== null);
      if (fit !== undefined) return toRotated(layer, fit, { ours: original.metadata, theirs: suspect.metadata });
    }
    const placed = isSequence ? pool.get(own.layers[index].name) : undefined;
    return (placed === undefined ? undefined : findFit(layer, placed, true)) ?? null;
  });
  pairByShape(topology, original, layers, pool, suspect.graph !== null);
  return { layers, vectors: pairVectors(topology.vectors, own.vectors, tensors) };
}

/** A tensor by the name that it has, or would have, at llama.cpp. */
function toCommonEntry(item: LayerShape): [string, LayerShape][] {
  const common = findLlamaName(item.tensor.name);
  return common === null ? [] : [[common, item]];
}

/** Query and key projections of a converted file, with their rows as the original has them. */
function toRotated(layer: Layer, found: LayerShape, metadata: Parameters<typeof findRotaryRows>[1]): LayerShape {
  if (layer.outAxis !== 0 || found.outAxis !== 0 || layer.shape[0] !== found.shape[0]) return found;
  const rows = findRotaryRows({ ours: layer.name, theirs: found.tensor.name, shape: found.shape }, metadata);
  return rows === null ? found : { ...found, rows };
}

function toShape(layer: Layer, tensor: TensorRef): LayerShape {
  const { shape, groups } = layer;
  const order = layer.in !== null && layer.in.inner > 1 ? { isInterleaved: layer.in.isInterleaved === true } : {};
  return { tensor, shape, outAxis: layer.outAxis ?? 0, inAxis: layer.inAxis ?? 1, groups, ...order };
}

/** `found` read as `layer`, or undefined when kernel or groups differ. Without a graph, its orientation is tried. */
function findFit(layer: Layer, found: LayerShape, hasGraph: boolean): LayerShape | undefined {
  if (layer.outAxis === null || layer.inAxis === null || layer.shape.length !== found.shape.length) return undefined;
  const kernel = (shape: readonly number[], out: number, input: number): string =>
    shape.filter((_, axis) => axis !== out && axis !== input).join('x');
  const ours = kernel(layer.shape, layer.outAxis, layer.inAxis);
  if (hasGraph) {
    const isDepthwise = layer.shape[layer.inAxis] === 1 && found.shape[found.inAxis] === 1;
    const isAlike = layer.groups === found.groups || isDepthwise;
    return isAlike && kernel(found.shape, found.outAxis, found.inAxis) === ours ? found : undefined;
  }
  const same = { ...found, outAxis: layer.outAxis, inAxis: layer.inAxis, groups: layer.groups };
  if (layer.shape.every((dim, axis) => dim === found.shape[axis])) return same;
  const isTurned = layer.shape.length === 2 && layer.shape[0] === found.shape[1] && layer.shape[1] === found.shape[0];
  if (isTurned) return { ...found, outAxis: layer.inAxis, inAxis: layer.outAxis };
  return kernel(found.shape, same.outAxis, same.inAxis) === ours ? same : undefined;
}

/** Fills the gaps: among free tensors of the same shape, the one whose sorted magnitudes are most alike. */
function pairByShape(
  topology: Topology,
  original: Model,
  layers: (LayerShape | null)[],
  pool: ReadonlyMap<string, LayerShape>,
  hasGraph: boolean,
): void {
  const free = new Set(pool.values());
  for (const pair of layers) for (const item of free) if (item.tensor === pair?.tensor) free.delete(item);
  topology.layers.forEach((layer, index) => {
    if (layers[index] !== null) return;
    const fitting = [...free].filter((item) => {
      const fit = findFit(layer, item, hasGraph);
      const isSame = (theirs: 'outAxis' | 'inAxis'): boolean => fit?.shape[fit[theirs]] === layer.shape[layer[theirs]!];
      return isSame('outAxis') && isSame('inAxis');
    });
    const chosen = fitting.length > 1 ? findMostAlike(original, layer, fitting) : fitting[0];
    if (chosen === undefined) return;
    free.delete(chosen);
    layers[index] = findFit(layer, chosen, hasGraph)!;
  });
}

/** Order statistics do not change with the order of neurons, so they compare before anything is aligned. */
function findMostAlike(original: Model, layer: Layer, fitting: readonly LayerShape[]): LayerShape | undefined {
  const reference = original.tensors.find((tensor) => tensor.name === layer.name);
  if (reference === undefined) return fitting[0];
  const ours = toQuantiles(reference);
  const distance = (item: LayerShape): number =>
    toQuantiles(item.tensor).reduce((sum, value, i) => sum + (value - ours[i]) ** 2, 0);
  return fitting.map((item) => ({ item, far: distance(item) })).reduce((a, b) => (b.far < a.far ? b : a)).item;
}

const QUANTILES = 64;

/** Quantiles of the values over their root mean square. */
function toQuantiles(tensor: TensorRef): number[] {
  const values = toSingles(tensor).sort();
  const scale = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length) || 1;
  return Array.from(
    { length: QUANTILES },
    (_, i) => values[Math.floor(((i + 0.5) / QUANTILES) * values.length)] / scale,
  );
}

function pairVectors(
  ours: readonly ChannelVector[],
  theirs: readonly ChannelVector[],
  tensors: ReadonlyMap<string, TensorRef>,
): (TensorRef | null)[] {
  return ours.map((vector, index) => {
    const named = tensors.get(vector.name);
    if (named?.shape.length === vector.shape.length) return named;
    const placed = theirs.length === ours.length ? tensors.get(theirs[index].name) : undefined;
    return placed !== undefined && theirs[index].role === vector.role ? placed : null;
  });
}
