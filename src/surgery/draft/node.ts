/** A node while it is edited: the same object from the first look at it to the end of the transaction. */
import type { AttributeRecord, NodeRecord, ScopeRecord } from '../../model/document.ts';

/** What callers see of a node. Only verbs change it. */
export interface NodeView {
  readonly name: string;
  readonly op: string;
  /** "" is the default domain. */
  readonly domain: string;
  readonly overload: string;
  /** "" for an omitted one. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Subgraphs among them are as they were read; see `subgraphs` for them as they are. */
  readonly attributes: ReadonlyMap<string, AttributeRecord>;
  /** Path of the scope that holds it. */
  readonly scopePath: string;
  /** Paths of the subgraphs in its attributes. */
  readonly subgraphs: readonly string[];
}

/** What a node needs of the scope that holds it, and of those inside it. */
interface ScopeOfNode {
  readonly path: string;
  toRecord(): ScopeRecord;
}

const NO_SUBSCOPES: ReadonlyMap<string, never> = new Map<string, never>();

export class ScopedNode<S extends ScopeOfNode> implements NodeView {
  readonly scope: S;
  record: NodeRecord;
  #subscopes: Map<string, readonly S[]> | null = null;
  previous: this | null = null;
  next: this | null = null;
  /** Grows along the scope's list. */
  order = 0;

  constructor(scope: S, record: NodeRecord) {
    this.scope = scope;
    this.record = record;
  }

  /** The scopes inside its attributes; of most nodes none, so that these have no map. */
  get subscopes(): ReadonlyMap<string, readonly S[]> {
    return this.#subscopes ?? NO_SUBSCOPES;
  }

  /** Takes other scopes for an attribute; null for none. */
  setSubscopes(attribute: string, scopes: readonly S[] | null): void {
    if (scopes !== null) (this.#subscopes ??= new Map<string, readonly S[]>()).set(attribute, scopes);
    else this.#subscopes?.delete(attribute);
  }

  get name(): string {
    return this.record.name;
  }

  get op(): string {
    return this.record.op;
  }

  get domain(): string {
    return this.record.domain;
  }

  get overload(): string {
    return this.record.overload;
  }

  get inputs(): readonly string[] {
    return this.record.inputs;
  }

  get outputs(): readonly string[] {
    return this.record.outputs;
  }

  get attributes(): ReadonlyMap<string, AttributeRecord> {
    return this.record.attributes;
  }

  get scopePath(): string {
    return this.scope.path;
  }

  get subgraphs(): readonly string[] {
    return [...this.subscopes.values()].flat().map(({ path }) => path);
  }

  /** The record with its subgraphs as they are now; the one it was read from, when nothing changed. */
  toRecord(): NodeRecord {
    if (this.subscopes.size === 0) return this.record;
    let attributes: Map<string, AttributeRecord> | null = null;
    for (const [name, scopes] of this.subscopes) {
      const before = this.record.attributes.get(name);
      if (before?.kind !== 'graph' && before?.kind !== 'graphs') continue;
      const graphs = scopes.map((scope) => scope.toRecord());
      const olds = before.kind === 'graph' ? [before.graph] : before.graphs;
      if (graphs.every((graph, i) => graph === olds[i])) continue;
      attributes ??= new Map(this.record.attributes);
      attributes.set(name, before.kind === 'graph' ? { kind: 'graph', graph: graphs[0] } : { kind: 'graphs', graphs });
    }
    return attributes === null ? this.record : { ...this.record, attributes };
  }
}
