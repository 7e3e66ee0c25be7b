/** Regions of a scope: what lies before some values, and the wires around some nodes. */
import { findConstant } from '../draft/constants.ts';
import type { Node, Scope } from '../draft/scope.ts';

/** Nodes that lead to `values`, at most `depth` steps before them; nearest first. Subgraphs count with their node. */
export function listUpstream(scope: Scope, values: readonly string[], depth: number): readonly Node[] {
  const found = new Set<Node>();
  let front = [...values];
  for (let step = 0; step < depth && front.length > 0; step++) {
    const next: string[] = [];
    for (const value of front) {
      const node = scope.findProducer(value);
      if (node === undefined || found.has(node)) continue;
      found.add(node);
      next.push(...listReads(node));
    }
    front = next;
  }
  return [...found];
}

/** Values that cross into and out of `nodes`; constants that they read belong to them. */
export function findBoundary(
  scope: Scope,
  nodes: readonly Node[],
): { readonly inputs: readonly string[]; readonly outputs: readonly string[] } {
  const inside = new Set(nodes);
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const inputs = new Set<string>();
  for (const node of nodes) {
    for (const value of listReads(node)) {
      const isFed = !scope.initializers.has(value) && findConstant(scope, value) === undefined;
      if (!made.has(value) && scope.defines(value) && isFed) inputs.add(value);
    }
  }
  const readOutside = new Set(scope.outputs.toArray().map(({ name }) => name));
  for (const node of scope.nodes.toArray())
    if (!inside.has(node)) for (const value of listReads(node)) readOutside.add(value);
  return { inputs: [...inputs], outputs: [...made].filter((value) => value !== '' && readOutside.has(value)) };
}

/** What a node reads of the scope that holds it, in its subgraphs too. */
export function listReads(node: Node): readonly string[] {
  const reads = new Set(node.inputs.filter((input) => input !== ''));
  for (const inner of [...node.subscopes.values()].flat()) {
    for (const nested of inner.eachScope()) {
      for (const reader of nested.nodes.toArray()) for (const input of reader.inputs) reads.add(input);
      for (const { name } of nested.outputs.toArray()) reads.add(name);
    }
  }
  reads.delete('');
  return [...reads];
}

/** What a node reads of the scope that holds it and of those around: what its subgraphs define themselves is not in it. */
export function listFreeReads(node: Node): readonly string[] {
  const reads = new Set(node.inputs);
  for (const inner of [...node.subscopes.values()].flat()) {
    for (const nested of inner.eachScope()) {
      const add = (value: string): void => {
        let scope = nested;
        while (scope !== node.scope && scope.parent !== null && !scope.defines(value)) scope = scope.parent;
        if (scope === node.scope) reads.add(value);
      };
      for (const reader of nested.nodes.toArray()) reader.inputs.forEach(add);
      for (const { name } of nested.outputs.toArray()) add(name);
    }
  }
  reads.delete('');
  return [...reads];
}
