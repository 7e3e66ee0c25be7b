/** What a transaction shows of the graph as it is at the moment. */
import type { TensorRef } from '../model/types.ts';
import { findConstant } from './draft/constants.ts';
import type { Draft } from './draft/draft.ts';
import type { ValueJson } from './draft/json.ts';
import type { NodeView } from './draft/node.ts';
import { type NodeLike, resolveNode, toNodeRef, toValueRef, type ValueLike } from './draft/refs.ts';
import type { Scope } from './draft/scope.ts';
import { findMatches, type Match, type Pattern } from './find/pattern.ts';
import { findNodes, type NodeQuery } from './find/query.ts';
import { listUpstream } from './find/region.ts';

/** What can be seen of a scope. Lists are those of the moment. */
export interface ScopeView {
  readonly path: string;
  readonly kind: 'graph' | 'subgraph' | 'function';
  /** Path of the scope around a subgraph; null for the main graph and functions. */
  readonly parentPath: string | null;
  readonly nodes: readonly NodeView[];
  readonly inputs: readonly ValueJson[];
  readonly outputs: readonly ValueJson[];
  /** Declared types of values between nodes. */
  readonly values: readonly ValueJson[];
  /** Names of initializers, dense and sparse. */
  readonly initializers: readonly string[];
}

/** The looking half of a transaction. */
export class TransactionView {
  readonly #draft: Draft;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  /** 0 when the model does not say. Below 4, initializers are inputs too. */
  get irVersion(): number {
    return this.#draft.irVersion;
  }

  find(query: NodeQuery): readonly NodeView[] {
    return findNodes(this.#draft, query);
  }

  /** @throws SurgeryError SURGERY_NODE_MISSING | SURGERY_NODE_AMBIGUOUS | SURGERY_SCOPE_MISSING */
  node(ref: NodeLike): NodeView {
    return resolveNode(this.#draft, toNodeRef(ref));
  }

  match(pattern: Pattern, scope?: string): readonly Match[] {
    return findMatches(this.#draft, pattern, scope);
  }

  /** Paths of all scopes, outer ones first. */
  scopes(): readonly string[] {
    return Array.from(this.#draft.eachScope(), ({ path }) => path);
  }

  /** @throws SurgeryError SURGERY_SCOPE_MISSING */
  scope(path = ''): ScopeView {
    const scope = this.#draft.scope(path);
    return {
      path,
      kind: scope.kind,
      parentPath: scope.parent?.path ?? null,
      nodes: scope.nodes.toArray(),
      inputs: scope.inputs.toArray(),
      outputs: scope.outputs.toArray(),
      values: scope.values.toArray(),
      initializers: scope.initializers.toArray().map(({ name }) => name),
    };
  }

  /** The node that makes a value, in the scope that defines it; undefined for inputs, initializers and unknown names. */
  producer(value: ValueLike): NodeView | undefined {
    const { scope = '', value: name } = toValueRef(value);
    return this.#draft.scope(scope).findProducer(name);
  }

  /** Nodes that read a value of that scope, those of subgraphs too. */
  readers(value: ValueLike): readonly NodeView[] {
    const { scope = '', value: name } = toValueRef(value);
    return [...this.#draft.scope(scope).eachScopeSeeing(name)].flatMap((inner) => inner.listReaders(name));
  }

  /** The tensor of an initializer or Constant node, as it is now; undefined for other values. */
  tensor(value: ValueLike): TensorRef | undefined {
    const { scope = '', value: name } = toValueRef(value);
    return findConstant(this.#draft.scope(scope), name)?.tensor;
  }

  /** Version of an imported operator set; undefined when it is not. */
  opset(domain: string, scope = ''): number | undefined {
    const found: Scope = this.#draft.scope(scope);
    return this.#draft.opsetsOf(found).find((opset) => opset.domain === domain)?.version;
  }

  /** A name that no value or node of any scope has: `base`, or with a number. */
  fresh(base: string): string {
    return this.#draft.names.fresh(base);
  }

  /** Nodes of the main graph within `depth` steps before the values, nearest first; all when there is no depth. */
  upstream(values: readonly string[], depth = Infinity): readonly NodeView[] {
    return listUpstream(this.#draft.main, values, depth);
  }
}
