/** Cycles in a scope whose nodes are out of order. */
import type { NodeRecord, ScopeRecord } from '../../model/document.ts';

/** Nodes that cannot be put in any order: those on cycles, and those that only they feed. [] when an order exists. */
export function findCycle(scope: ScopeRecord): readonly NodeRecord[] {
  const producer = new Map<string, number>();
  scope.nodes.forEach((node, at) => {
    for (const output of node.outputs) if (output !== '') producer.set(output, at);
  });
  const readers = scope.nodes.map((): number[] => []);
  const waiting = scope.nodes.map((node, at) => {
    const sources = new Set(
      [...listReads(node)].map((input) => producer.get(input)).filter((from) => from !== undefined),
    );
    for (const from of sources) readers[from].push(at);
    return sources.size;
  });
  const ready = waiting.flatMap((count, at) => (count === 0 ? [at] : []));
  // The list grows while it is walked.
  for (const at of ready) for (const reader of readers[at]) if (--waiting[reader] === 0) ready.push(reader);
  return scope.nodes.filter((_, at) => waiting[at] > 0);
}

/** What a node reads, in its subgraphs too. */
function* listReads(node: NodeRecord): Generator<string> {
  yield* node.inputs;
  for (const attribute of node.attributes.values()) {
    const graphs = attribute.kind === 'graph' ? [attribute.graph] : attribute.kind === 'graphs' ? attribute.graphs : [];
    for (const graph of graphs) {
      for (const inner of graph.nodes) yield* listReads(inner);
      for (const { name } of graph.outputs) yield name;
    }
  }
}
