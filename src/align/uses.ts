/** Where the main graph applies its weights. */
import type { Graph } from '../model/types.ts';
import { listScopes, listWeightUses, type WeightUse } from './weights.ts';

/** Every use of a constant as a weight by a node of the main graph, in graph order; subgraphs are left out. */
export function listLayerUses(graph: Graph): WeightUse[] {
  const [scope] = listScopes(graph);
  return graph.nodes.flatMap((node) => listWeightUses(scope, node));
}
