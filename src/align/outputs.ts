/** Finds the layers whose result is a model output; transfer learning replaces them (docs/spec/watermark.md §5.2). */
import type { Graph, GraphNode } from '../model/types.ts';
import type { WeightUse } from './weights.ts';

/** When the walk reaches more weights than this share, the outputs are features, not heads: only the last layer counts. */
const HEAD_SHARE_MAX = 0.25;

/** Nodes with weights from which a graph output is reached without passing another node with weights. */
export function toOutputNodes(graph: Graph, uses: readonly WeightUse[]): ReadonlySet<GraphNode> {
  const weighted = new Set(uses.map((use) => use.node));
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const found = new Set<GraphNode>();
  const visited = new Set<GraphNode>();
  const queue = graph.outputs.map((output) => output.name);
  for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
    const node = producers.get(value);
    if (node === undefined || visited.has(node)) continue;
    visited.add(node);
    if (weighted.has(node)) found.add(node);
    else queue.push(...node.inputs);
  }
  const count = (some: readonly WeightUse[]): number =>
    some.reduce((sum, use) => sum + use.weight.tensor.elementCount, 0);
  const heads = uses.filter((use) => found.has(use.node));
  const last = heads.at(-1);
  if (last === undefined || count(heads) <= HEAD_SHARE_MAX * count(uses)) return found;
  return new Set([last.node]);
}
