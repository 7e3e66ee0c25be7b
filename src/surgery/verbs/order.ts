/** Stable topological order. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import type { Node, Scope } from '../draft/scope.ts';
import { listReads } from '../find/region.ts';
import { defineVerb } from './verb.ts';

/**
 * Puts the nodes of a scope and of those inside it (of all scopes, without `scope`) in an order in which values come
 * before uses. Nodes stay where they are, but for producers that are drawn before their first reader.
 * @throws SurgeryError SURGERY_INVALID for a cycle, with the values on it
 */
export const toposort = defineVerb(z.strictObject({ scope: z.string().optional() }), (draft, { scope: path }): void => {
  const roots = path === undefined ? draft.roots() : [draft.scope(path)];
  for (const root of roots) for (const scope of root.eachScope()) sortScope(scope);
});

function sortScope(scope: Scope): void {
  const nodes = scope.nodes.toArray();
  const sorted: Node[] = [];
  const state = new Map<Node, 'open' | 'done'>();
  for (const root of nodes) {
    if (state.has(root)) continue;
    // A stack of its own: a chain of 100,000 nodes must not exhaust the engine's.
    const stack = [{ node: root, sources: listSources(scope, root), next: 0 }];
    state.set(root, 'open');
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next === top.sources.length) {
        state.set(top.node, 'done');
        sorted.push(top.node);
        stack.pop();
        continue;
      }
      const source = top.sources[top.next++];
      if (state.get(source) === 'open')
        throw toCycle(scope, stack.slice(stack.findIndex(({ node }) => node === source)));
      if (state.has(source)) continue;
      state.set(source, 'open');
      stack.push({ node: source, sources: listSources(scope, source), next: 0 });
    }
  }
  if (sorted.some((node, i) => node !== nodes[i])) scope.nodes.reorder(sorted);
}

function toCycle(scope: Scope, path: readonly { readonly node: Node }[]): SurgeryError {
  const values = path.flatMap(({ node }) => node.outputs.slice(0, 1));
  return new SurgeryError('SURGERY_INVALID', { fields: { rule: 'cycle', scope: scope.path, values } });
}

/** Nodes of `scope` whose outputs `node` reads, itself or in its subgraphs, in the order in which they stand. */
function listSources(scope: Scope, node: Node): Node[] {
  const sources = new Set<Node>();
  for (const value of listReads(node)) {
    const producer = scope.findProducer(value);
    if (producer !== undefined) sources.add(producer);
  }
  return [...sources].sort((a, b) => a.order - b.order);
}
