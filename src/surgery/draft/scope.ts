/** One graph, subgraph or function body while it is edited, with its producers and uses kept up to date. */
import type {
  AnnotationRecord,
  InitializerRecord,
  NodeRecord,
  OpsetRecord,
  ScopeRecord,
  ValueRecord,
} from '../../model/document.ts';
import { NamedList } from './named-list.ts';
import { ScopedNode } from './node.ts';
import { NodeList } from './node-list.ts';

export interface ScopeInit {
  readonly path: string;
  readonly kind: 'graph' | 'subgraph' | 'function';
  readonly parent: Scope | null;
  readonly record: ScopeRecord;
  /** Called for every scope that is made, so that the draft finds it by path. */
  readonly register: (scope: Scope) => void;
  /** Path of a subgraph, from its record and the node that holds it. */
  readonly toPath: (record: ScopeRecord, node: Node, attribute: string) => string;
}

export class Node extends ScopedNode<Scope> {}

export class Scope {
  readonly path: string;
  readonly kind: ScopeInit['kind'];
  readonly parent: Scope | null;
  readonly nodes = new NodeList<Node>();
  readonly inputs: NamedList<ValueRecord>;
  readonly outputs: NamedList<ValueRecord>;
  readonly values: NamedList<ValueRecord>;
  readonly initializers: NamedList<InitializerRecord>;
  annotations: readonly AnnotationRecord[];
  /** Of a function; null where those of the model count. */
  opsets: readonly OpsetRecord[] | null = null;
  readonly #init: ScopeInit;
  readonly #producers = new Map<string, Node>();
  /** Most values have one reader: only those with more have a set. */
  readonly #uses = new Map<string, Node | Set<Node>>();
  /** Nodes of this scope that hold subgraphs. */
  readonly #holders = new Set<Node>();

  constructor(init: ScopeInit) {
    const { record } = init;
    this.path = init.path;
    this.kind = init.kind;
    this.parent = init.parent;
    this.#init = init;
    this.inputs = new NamedList(record.inputs);
    this.outputs = new NamedList(record.outputs);
    this.values = new NamedList(record.values);
    this.initializers = new NamedList(record.initializers);
    this.annotations = record.annotations;
    init.register(this);
    for (const node of record.nodes) this.insert(node, this.nodes.last);
  }

  /** Puts a new node behind `after`, or first. */
  insert(record: NodeRecord, after: Node | null): Node {
    const node = new Node(this, record);
    this.nodes.insertAfter(after, node);
    this.#link(node);
    if (hasGraphs(record)) this.#holdGraphs(node);
    return node;
  }

  delete(node: Node): void {
    this.#unlink(node);
    this.#holders.delete(node);
    this.nodes.delete(node);
  }

  /** Takes `record` in the place of the node's. Its subgraphs stay those that they are. */
  update(node: Node, record: NodeRecord): void {
    if (record.inputs === node.inputs && record.outputs === node.outputs) {
      node.record = record;
      return;
    }
    this.#unlink(node);
    node.record = record;
    this.#link(node);
  }

  /** Takes other graphs for an attribute that holds some, or holds some from now on; null when it no longer does. */
  setSubgraphs(node: Node, attribute: string, graphs: readonly ScopeRecord[] | null): void {
    node.setSubscopes(attribute, null);
    if (graphs !== null) this.#hold(node, attribute, graphs);
    else if (node.subscopes.size === 0) this.#holders.delete(node);
  }

  /** The node of this scope that makes `value`. */
  findProducer(value: string): Node | undefined {
    return this.#producers.get(value);
  }

  /** Nodes of this scope that read `value`, not those of its subgraphs. */
  listReaders(value: string): readonly Node[] {
    const readers = this.#uses.get(value);
    if (readers === undefined) return [];
    return readers instanceof Set ? [...readers] : [readers];
  }

  hasReaders(value: string): boolean {
    return this.#uses.has(value);
  }

  /** True when `value` is an input, an initializer or made by a node of this scope. */
  defines(value: string): boolean {
    return this.#producers.has(value) || this.inputs.has(value) || this.initializers.has(value);
  }

  /** True when anything in this scope has or reads a value of that name. */
  mentions(value: string): boolean {
    return this.defines(value) || this.#uses.has(value) || this.outputs.has(value) || this.values.has(value);
  }

  /** Scopes inside this one, of all its nodes; not those inside them. */
  listChildren(): readonly Scope[] {
    return [...this.#holders].flatMap((node) => [...node.subscopes.values()].flat());
  }

  /** This scope and those inside it in which `value` means what it means here. */
  *eachScopeSeeing(value: string): Generator<Scope> {
    yield this;
    for (const child of this.listChildren()) if (!child.defines(value)) yield* child.eachScopeSeeing(value);
  }

  /** This scope and all inside it. */
  *eachScope(): Generator<Scope> {
    yield this;
    for (const child of this.listChildren()) yield* child.eachScope();
  }

  /** The record of what the scope is now; the one it was read from, when nothing changed. */
  toRecord(): ScopeRecord {
    const { record } = this.#init;
    const nodes = this.nodes.toArray().map((node) => node.toRecord());
    const isSameNodes = nodes.length === record.nodes.length && nodes.every((node, i) => node === record.nodes[i]);
    const now: ScopeRecord = {
      ...record,
      path: this.path,
      nodes: isSameNodes ? record.nodes : nodes,
      inputs: this.inputs.toArray(),
      outputs: this.outputs.toArray(),
      values: this.values.toArray(),
      initializers: this.initializers.toArray(),
      annotations: this.annotations,
    };
    return (Object.keys(now) as (keyof ScopeRecord)[]).every((key) => now[key] === record[key]) ? record : now;
  }

  #holdGraphs(node: Node): void {
    for (const [name, attribute] of node.attributes) {
      if (attribute.kind === 'graph') this.#hold(node, name, [attribute.graph]);
      else if (attribute.kind === 'graphs') this.#hold(node, name, attribute.graphs);
    }
  }

  #hold(node: Node, attribute: string, graphs: readonly ScopeRecord[]): void {
    const { register, toPath } = this.#init;
    const scopes = graphs.map((record) => {
      const path = toPath(record, node, attribute);
      return new Scope({ path, kind: 'subgraph', parent: this, record, register, toPath });
    });
    node.setSubscopes(attribute, scopes);
    this.#holders.add(node);
  }

  #link(node: Node): void {
    for (const output of node.outputs) if (output !== '') this.#producers.set(output, node);
    for (const input of node.inputs) {
      if (input === '') continue;
      const readers = this.#uses.get(input);
      if (readers === undefined) this.#uses.set(input, node);
      else if (readers instanceof Set) readers.add(node);
      else if (readers !== node) this.#uses.set(input, new Set([readers, node]));
    }
  }

  #unlink(node: Node): void {
    for (const output of node.outputs) if (this.#producers.get(output) === node) this.#producers.delete(output);
    for (const input of node.inputs) {
      const readers = this.#uses.get(input);
      if (readers instanceof Set) {
        readers.delete(node);
        if (readers.size === 0) this.#uses.delete(input);
      } else if (readers === node) this.#uses.delete(input);
    }
  }
}

function hasGraphs({ attributes }: NodeRecord): boolean {
  for (const { kind } of attributes.values()) if (kind === 'graph' || kind === 'graphs') return true;
  return false;
}
