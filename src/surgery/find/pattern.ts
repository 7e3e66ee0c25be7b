/** Finding groups of nodes: a pattern of operators whose wires are variables. */
import type { Draft } from '../draft/draft.ts';
import type { NodeView } from '../draft/node.ts';
import type { Node, Scope } from '../draft/scope.ts';

/** One node of a pattern. */
export interface PatternNode {
  /** Name under which the match gives the node. */
  readonly as: string;
  readonly op: string | readonly string[];
  /** "" when absent. */
  readonly domain?: string;
  /**
   * Variables of the inputs, by position; null for any. Further inputs of the node may be anything. One variable is one
   * value wherever it stands.
   */
  readonly inputs?: readonly (string | null)[];
  readonly outputs?: readonly (string | null)[];
  /** The first two inputs may come in either order (Add, Mul). */
  readonly isCommutative?: boolean;
  readonly where?: (node: NodeView) => boolean;
}

export interface Pattern {
  /** All must match, each a node of its own, all in one scope. */
  readonly nodes: readonly PatternNode[];
  /** Variables that nothing but the nodes of the match may read, graph outputs included: what a rewrite makes vanish. */
  readonly internal?: readonly string[];
}

export interface Match {
  readonly nodes: Readonly<Record<string, NodeView>>;
  /** Value names by variable. */
  readonly values: Readonly<Record<string, string>>;
  readonly scopePath: string;
}

/** Every match, in the order of its first node; matches may share nodes. */
export function findMatches(draft: Draft, pattern: Pattern, path?: string): readonly Match[] {
  const scopes = path === undefined ? [...draft.eachScope()] : [draft.scope(path)];
  return scopes.flatMap((scope) => findInScope(scope, pattern));
}

/** What is bound so far. Never changed: each step has its own. */
interface Binding {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly values: ReadonlyMap<string, string>;
}

function findInScope(scope: Scope, pattern: Pattern): Match[] {
  let bindings: Binding[] = [{ nodes: new Map(), values: new Map() }];
  for (const wanted of pattern.nodes) {
    bindings = bindings.flatMap((binding) =>
      listCandidates(scope, wanted, binding).flatMap((node) => bind(binding, wanted, node)),
    );
  }
  return keepOnePerNodes(bindings.filter((binding) => isClosed(scope, pattern, binding))).map(({ nodes, values }) => ({
    nodes: Object.fromEntries(nodes),
    values: Object.fromEntries(values),
    scopePath: scope.path,
  }));
}

/** Where inputs may be swapped, the same nodes can match twice: the order as written wins. */
function keepOnePerNodes(bindings: readonly Binding[]): readonly Binding[] {
  const kept: Binding[] = [];
  const last = new Map<Node, Binding[]>();
  for (const binding of bindings) {
    const [first] = binding.nodes.values();
    const same = last.get(first) ?? [];
    const nodes = [...binding.nodes.values()];
    if (same.some((other) => [...other.nodes.values()].every((node, i) => node === nodes[i]))) continue;
    last.set(first, [...same, binding]);
    kept.push(binding);
  }
  return kept;
}

/** Nodes that a bound wire leads to, or all when none does. */
function listCandidates(scope: Scope, wanted: PatternNode, { values }: Binding): readonly Node[] {
  for (const variable of wanted.outputs ?? []) {
    const value = variable === null ? undefined : values.get(variable);
    if (value === undefined) continue;
    const producer = scope.findProducer(value);
    return producer === undefined ? [] : [producer];
  }
  for (const variable of wanted.inputs ?? []) {
    const value = variable === null ? undefined : values.get(variable);
    if (value !== undefined) return scope.listReaders(value);
  }
  return scope.nodes.toArray();
}

function bind(binding: Binding, wanted: PatternNode, node: Node): Binding[] {
  const ops = typeof wanted.op === 'string' ? [wanted.op] : wanted.op;
  if (!ops.includes(node.op) || node.domain !== (wanted.domain ?? '')) return [];
  if ([...binding.nodes.values()].includes(node) || wanted.where?.(node) === false) return [];
  const nodes = new Map(binding.nodes).set(wanted.as, node);
  const [first, second, ...rest] = node.inputs;
  const orders = wanted.isCommutative === true ? [node.inputs, [second, first, ...rest]] : [node.inputs];
  // Which order is right may depend on nodes that come later in the pattern.
  return orders.flatMap((inputs) => {
    const values = new Map(binding.values);
    const isFit = unify(values, wanted.inputs ?? [], inputs) && unify(values, wanted.outputs ?? [], node.outputs);
    return isFit ? [{ nodes, values }] : [];
  });
}

function unify(values: Map<string, string>, variables: readonly (string | null)[], names: readonly string[]): boolean {
  return variables.every((variable, at) => {
    if (variable === null) return true;
    const name = names.at(at) ?? '';
    if (name === '') return false;
    const known = values.get(variable);
    if (known === undefined) values.set(variable, name);
    return known === undefined || known === name;
  });
}

function isClosed(scope: Scope, pattern: Pattern, { nodes, values }: Binding): boolean {
  const inside = new Set(nodes.values());
  return (pattern.internal ?? []).every((variable) => {
    const value = values.get(variable);
    if (value === undefined) return true;
    for (const inner of scope.eachScopeSeeing(value)) {
      if (inner.outputs.has(value) || inner.listReaders(value).some((reader) => !inside.has(reader))) return false;
    }
    return true;
  });
}
