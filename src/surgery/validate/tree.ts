/** What is asked of a scope with all scopes inside it. */
import { type ScopeRecord, toFunctionId } from '../../model/document.ts';

/** `scope` and all inside it; outer ones first. */
export function* eachScopeRecord(scope: ScopeRecord): Generator<ScopeRecord> {
  yield scope;
  for (const node of scope.nodes) {
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'graph') yield* eachScopeRecord(attribute.graph);
      else if (attribute.kind === 'graphs') for (const graph of attribute.graphs) yield* eachScopeRecord(graph);
    }
  }
}

/** Ids of the operators that are called, functions among them. */
export function listCalls(scope: ScopeRecord): ReadonlySet<string> {
  const calls = new Set<string>();
  for (const inner of eachScopeRecord(scope)) {
    for (const { domain, op, overload } of inner.nodes) calls.add(toFunctionId({ domain, name: op, overload }));
  }
  return calls;
}
