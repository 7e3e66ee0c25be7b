/** A graph document while it is edited. Dropping the draft is the rollback: records of the document never change. */
import { SurgeryError } from '../../core/errors.ts';
import type { FunctionRecord, GraphDocument, OpsetRecord, ScopeRecord } from '../../model/document.ts';
import { toFunctionId } from '../../model/document.ts';
import { Names } from './names.ts';
import { type Node, Scope } from './scope.ts';

interface FunctionDraft {
  readonly record: FunctionRecord;
  readonly scope: Scope;
}

export class Draft {
  readonly before: GraphDocument;
  readonly irVersion: number;
  readonly others: ReadonlyMap<string, GraphDocument>;
  readonly main: Scope;
  readonly names: Names;
  /** New names of values by the old ones, with the path of their scope: problems that were there keep being known. */
  readonly renamed = new Map<string, string>();
  #opsets: readonly OpsetRecord[];
  #functions: readonly FunctionDraft[];
  readonly #scopes = new Map<string, Scope>();

  /** @param others documents of other models, by the names that verbs use */
  constructor(document: GraphDocument, others: ReadonlyMap<string, GraphDocument> = new Map()) {
    this.others = others;
    this.before = document;
    this.irVersion = document.irVersion;
    this.#opsets = document.opsets;
    this.main = this.#openScope('graph', document.graph);
    this.#functions = document.functions.map((record) => this.#openFunction(record));
    this.names = new Names(() => this.eachScope());
  }

  /** The main graph, and the body of every function. */
  roots(): readonly Scope[] {
    return [this.main, ...this.#functions.map(({ scope }) => scope)];
  }

  /** Every scope, outer ones first. */
  *eachScope(): Generator<Scope> {
    for (const root of this.roots()) yield* root.eachScope();
  }

  /** @param path as the model was opened; "" for the main graph. @throws SurgeryError SURGERY_SCOPE_MISSING */
  scope(path: string): Scope {
    const scope = this.#scopes.get(path);
    if (scope === undefined) throw new SurgeryError('SURGERY_SCOPE_MISSING', { fields: { scope: path } });
    return scope;
  }

  /** The operator sets that count in `scope`. */
  opsetsOf(scope: Scope): readonly OpsetRecord[] {
    return toRoot(scope).opsets ?? this.#opsets;
  }

  /** Adds an operator set to the model, or to the function that `scope` belongs to. */
  addOpset(scope: Scope, opset: { readonly domain: string; readonly version: number }): void {
    const root = toRoot(scope);
    const record: OpsetRecord = { ...opset, place: null };
    if (root.opsets === null) this.#opsets = [...this.#opsets, record];
    else root.opsets = [...root.opsets, record];
  }

  listFunctions(): readonly FunctionRecord[] {
    return this.#functions.map(({ record }) => record);
  }

  findFunction(id: string): Scope | undefined {
    return this.#functions.find(({ record }) => toFunctionId(record) === id)?.scope;
  }

  addFunction(record: FunctionRecord): Scope {
    const added = this.#openFunction(record);
    this.#functions = [...this.#functions, added];
    return added.scope;
  }

  deleteFunction(scope: Scope): void {
    this.#functions = this.#functions.filter((entry) => entry.scope !== scope);
    for (const inner of scope.eachScope()) this.#scopes.delete(inner.path);
  }

  /** The document as it is now; the one before, when nothing changed. */
  toDocument(): GraphDocument {
    const { before } = this;
    const functions = this.#functions.map(({ record, scope }): FunctionRecord => {
      const body = scope.toRecord();
      const opsets = scope.opsets ?? record.opsets;
      return body === record.body && opsets === record.opsets ? record : { ...record, body, opsets };
    });
    const isSame =
      functions.length === before.functions.length && functions.every((record, i) => record === before.functions[i]);
    const graph = this.main.toRecord();
    if (isSame && graph === before.graph && this.#opsets === before.opsets) return before;
    return { ...before, graph, opsets: this.#opsets, functions: isSame ? before.functions : functions };
  }

  #openFunction(record: FunctionRecord): FunctionDraft {
    const scope = this.#openScope('function', record.body);
    scope.opsets = record.opsets;
    return { record, scope };
  }

  #openScope(kind: 'graph' | 'function', record: ScopeRecord): Scope {
    return new Scope({
      path: kind === 'graph' ? '' : this.#toFreePath(record.path),
      kind,
      parent: null,
      record,
      register: (scope) => this.#scopes.set(scope.path, scope),
      toPath: (inner, node, attribute) => this.#toPath(inner, node, attribute),
    });
  }

  /** The path that a subgraph was read with, else one made as the reader makes it. */
  #toPath(record: ScopeRecord, node: Node, attribute: string): string {
    if (record.place !== null && !this.#scopes.has(record.path)) return record.path;
    const key = node.name !== '' ? node.name : (node.outputs.find((name) => name !== '') ?? node.op);
    const { path } = node.scope;
    return this.#toFreePath(`${path === '' ? '' : `${path}/`}${key}.${attribute}`);
  }

  #toFreePath(wanted: string): string {
    let path = wanted;
    for (let n = 2; this.#scopes.has(path); n++) path = `${wanted}~${n}`;
    return path;
  }
}

/** The main graph or function body that holds `scope`. */
function toRoot(scope: Scope): Scope {
  let root = scope;
  while (root.parent !== null) root = root.parent;
  return root;
}
