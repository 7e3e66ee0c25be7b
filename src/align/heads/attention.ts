/** Which layers are queries, keys, values and output of one attention (docs/spec/transformer-topology.md §5). */
import type { GraphNode, Model } from '../../model/types.ts';
import type { LayerPair } from '../channel-maps.ts';
import type { Topology } from '../ports.ts';
import { type Part, toPart } from '../transformer/roles.ts';
import { listScopes, listWeightUses } from '../weights.ts';

/** One segment of one axis of a layer: the entries of all heads, `width` to a head. */
export interface Strand {
  readonly pair: LayerPair;
  readonly side: 'out' | 'in';
  readonly at: number;
  readonly width: number;
}

export interface Attention {
  /** Space of the key heads with their query heads; of the query heads where they share one key head. */
  readonly space: number;
  /** Key heads of the original, and query heads for each. */
  readonly keyHeads: number;
  readonly queryHeads: number;
  readonly query: Strand;
  readonly key: Strand;
  readonly value: Strand;
  readonly output: Strand;
}

interface Names {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
}

/** The attentions whose heads can move, and which the suspect has, too. */
export function listAttentions(topology: Topology, original: Model, pairs: readonly LayerPair[]): Attention[] {
  const byName = new Map(pairs.map((pair) => [pair.layer.name, pair]));
  const named = original.graph === null ? listByName(topology) : listInGraph(original.graph);
  return named.flatMap((names) => toAttention(names, byName) ?? []);
}

/** Layers of one block by the names that checkpoints and llama.cpp give them. */
function listByName({ layers }: Topology): Names[] {
  const blocks = new Map<number, Partial<Record<Part['role'], string>>>();
  for (const { name } of layers) {
    const { role, block, isBias } = toPart(name);
    if (block !== null && !isBias) blocks.set(block, { ...blocks.get(block), [role]: name });
  }
  return [...blocks.values()].flatMap((own) => {
    const [output, whole] = [own['attention-output'], own['query-key-value']];
    const [query, key, value] = [own.query ?? whole, own.key ?? whole, own.value ?? whole];
    return query && key && value && output ? [{ query, key, value, output }] : [];
  });
}

/** Layers around each softmax: queries and keys make the scores, and the mix of values is read by the output. */
function listInGraph(graph: NonNullable<Model['graph']>): Names[] {
  const [scope] = listScopes(graph);
  const weights = new Map(
    graph.nodes.flatMap((node) => listWeightUses(scope, node).map(({ weight }) => [node, weight.tensor.name] as const)),
  );
  const readers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  /** The first nodes from a value, backwards or forwards, that `stops`. */
  const findFirst = (start: string, next: (value: string) => GraphNode[], stops: (node: GraphNode) => boolean) => {
    const found = new Set<GraphNode>();
    const seen = new Set<GraphNode>();
    const queue = [start];
    for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
      for (const node of next(value)) {
        if (seen.has(node)) continue;
        seen.add(node);
        if (stops(node)) found.add(node);
        else queue.push(...(next === forwards ? node.outputs : node.inputs));
      }
    }
    return found.size === 1 ? [...found][0] : undefined;
  };
  const backwards = (value: string): GraphNode[] => [scope.producers.get(value) ?? []].flat();
  const forwards = (value: string): GraphNode[] => readers.get(value) ?? [];
  const isProduct = (node: GraphNode): boolean => node.op === 'MatMul' || weights.has(node);
  const findLayer = (value: string, next: typeof forwards): string | undefined => {
    const node = findFirst(value, next, (item) => weights.has(item));
    return node && weights.get(node);
  };
  return graph.nodes.flatMap((node) => {
    if (node.op !== 'Softmax') return [];
    const scores = findFirst(node.inputs[0], backwards, isProduct);
    const mix = findFirst(node.outputs[0], forwards, isProduct);
    if (scores?.op !== 'MatMul' || mix?.op !== 'MatMul') return [];
    const [query, key] = scores.inputs.map((input) => findLayer(input, backwards));
    const [value, output] = [findLayer(mix.inputs[1], backwards), findLayer(mix.outputs[0], forwards)];
    return query && key && value && output ? [{ query, key, value, output }] : [];
  });
}

/** Undefined when the heads are fixed, the shapes do not fit, or the suspect lacks one of the layers. */
function toAttention(names: Names, byName: ReadonlyMap<string, LayerPair>): Attention | undefined {
  const isFused = names.query === names.key;
  const strand = (name: string, side: 'out' | 'in', at: number) => {
    const pair = byName.get(name);
    if (!pair?.ours || !pair.theirs) return null;
    const axis = pair.layer[side];
    const segments = isFused && side === 'out' ? 3 : 1;
    if (axis?.segments.length !== segments) return null;
    const { space, channels } = axis.segments[at];
    return { pair, side, at, space, channels, inner: axis.inner, length: channels * axis.inner };
  };
  const [query, key] = [strand(names.query, 'out', 0), strand(names.key, 'out', isFused ? 1 : 0)];
  const [value, output] = [strand(names.value, 'out', isFused ? 2 : 0), strand(names.output, 'in', 0)];
  if (!query || !key || !value || !output || query.space < 0 || output.space !== query.space) return undefined;
  const isShared = key.space < 0;
  const keyHeads = isShared ? 1 : key.channels;
  const widths = { key: key.length / keyHeads, value: value.length / keyHeads };
  const queryHeads = query.length / key.length;
  const isFitting =
    value.space === key.space &&
    (isShared ? queryHeads === query.channels : key.space === query.space) &&
    Number.isInteger(queryHeads) &&
    output.length === queryHeads * value.length &&
    Number.isInteger(widths.value);
  if (!isFitting) return undefined;
  return {
    ...{ space: query.space, keyHeads, queryHeads },
    query: { ...query, width: widths.key },
    key: { ...key, width: widths.key },
    value: { ...value, width: widths.value },
    output: { ...output, width: widths.value },
  };
}
