/** The transaction that a caller edits through: what it sees, and verbs, each recorded as a step. */
import { toFunctionId } from '../model/document.ts';
import type { Draft } from './draft/draft.ts';
import type { AttributeJson, NodeJson, TensorJson, ValueJson } from './draft/json.ts';
import type { NodeView } from './draft/node.ts';
import { type NodeLike, resolveNode, toNodeRef, toValueRef, type ValueLike } from './draft/refs.ts';
import type { Node } from './draft/scope.ts';
import { findBoundary } from './find/region.ts';
import { type EditStep, parseArgs } from './plan.ts';
import { TransactionView } from './transaction-view.ts';
import type { CleanupResult } from './verbs/cleanup.ts';
import type { WholeFloat } from './verbs/derived-tensor.ts';
import type { Insertion, WireNodeJson } from './verbs/insert.ts';
import { type VerbArgs, type VerbName, type VerbResult, VERBS } from './verbs/table.ts';

export class Transaction extends TransactionView {
  readonly #draft: Draft;
  readonly #steps: EditStep[] = [];

  constructor(draft: Draft) {
    super(draft);
    this.#draft = draft;
  }

  /** What was done so far. */
  get steps(): readonly EditStep[] {
    return this.#steps;
  }

  /** Runs a step of a plan. @throws SurgeryError SURGERY_PLAN_MALFORMED and those of the verb */
  run(step: EditStep): unknown {
    return this.#apply(parseArgs(step.verb, toArgs(step), `step ${this.#steps.length}`));
  }

  // ---- nodes ---------------------------------------------------------------------------------------------------------

  /** Adds nodes with all wires given. See `verbs/insert.ts`. */
  addNodes(nodes: readonly NodeJson[], at: { scope?: string; after?: NodeLike } = {}): readonly NodeView[] {
    const { after, ...rest } = at;
    return this.#run('addNodes', { ...rest, nodes: [...nodes], ...(after && { after: toNodeRef(after) }) });
  }

  insertAfter(at: ValueLike, node: WireNodeJson, options: { output?: string } = {}): Insertion {
    return this.#run('insertAfter', { at: toValueRef(at), node, ...options });
  }

  insertBefore(node: NodeLike, input: number, inserted: WireNodeJson, options: { output?: string } = {}): Insertion {
    return this.#run('insertBefore', { node: toNodeRef(node), input, with: inserted, ...options });
  }

  insertOnEdge(
    value: ValueLike,
    to: NodeLike | 'output',
    node: WireNodeJson,
    options: { output?: string } = {},
  ): Insertion {
    const target = to === 'output' ? to : toNodeRef(to);
    return this.#run('insertOnEdge', { value: toValueRef(value), to: target, node, ...options });
  }

  replace(nodes: readonly NodeLike[], replacement: readonly NodeJson[]): readonly NodeView[] {
    return this.#run('replace', { nodes: nodes.map(toNodeRef), with: [...replacement] });
  }

  remove(nodes: NodeLike | readonly NodeLike[], options: { reconnect?: boolean | Record<string, string> } = {}): void {
    const list = Array.isArray(nodes) ? (nodes as readonly NodeLike[]) : [nodes as NodeLike];
    this.#run('remove', { nodes: list.map(toNodeRef), ...options });
  }

  renameNode(node: NodeLike, to: string): void {
    this.#run('renameNode', { node: toNodeRef(node), to });
  }

  setAttribute(node: NodeLike, name: string, value: AttributeJson | null): void {
    this.#run('setAttribute', { node: toNodeRef(node), name, value });
  }

  setInput(node: NodeLike, input: number, value: string): void {
    this.#run('setInput', { node: toNodeRef(node), input, value });
  }

  moveNode(node: NodeLike, after: NodeLike | null): void {
    this.#run('moveNode', { node: toNodeRef(node), after: after === null ? null : toNodeRef(after) });
  }

  // ---- values and tensors --------------------------------------------------------------------------------------------

  renameValue(value: ValueLike, to: string): void {
    this.#run('renameValue', { value: toValueRef(value), to });
  }

  /** Writes elements over those from flat index `start` on. */
  editTensor(at: ValueLike, start: number, tensor: TensorJson): void {
    this.#run('editTensor', { at: toValueRef(at), start, tensor });
  }

  setTensor(at: ValueLike, tensor: TensorJson): void {
    this.#run('setTensor', { at: toValueRef(at), tensor });
  }

  /** Rounds a float constant to another float type. */
  castTensor(at: ValueLike, dtype: WholeFloat): void {
    this.#run('castTensor', { at: toValueRef(at), dtype });
  }

  /** Multiplies a float constant by one factor per index of `axis`. */
  scaleTensor(at: ValueLike, axis: number, factors: TensorJson): void {
    this.#run('scaleTensor', { at: toValueRef(at), axis, factors });
  }

  /** Keeps the 2 largest of every 4 elements along `axis`, or other numbers of them. */
  pruneTensor(at: ValueLike, axis: number, options: { keep?: number; of?: number } = {}): void {
    this.#run('pruneTensor', { at: toValueRef(at), axis, ...options });
  }

  /** Takes a weight out: a node that makes zeros stands for it. */
  stripTensor(at: ValueLike): void {
    this.#run('stripTensor', { at: toValueRef(at) });
  }

  /** Puts a stripped weight back, from the model given to `editGraph` by that name, else a stand-in. */
  restoreTensor(at: ValueLike, options: { readonly model?: string } = {}): void {
    this.#run('restoreTensor', { at: toValueRef(at), ...options });
  }

  /** Declares the type of a value; null forgets that of a value between nodes. */
  setType(at: ValueLike, type: Omit<ValueJson, 'name'> | null): void {
    this.#run('setType', { at: toValueRef(at), type });
  }

  setStorage(at: ValueLike, storage: 'raw' | 'typed'): void {
    this.#run('setStorage', { at: toValueRef(at), storage });
  }

  initializerToConstant(at: ValueLike): void {
    this.#run('initializerToConstant', { at: toValueRef(at) });
  }

  constantToInitializer(at: ValueLike): void {
    this.#run('constantToInitializer', { at: toValueRef(at) });
  }

  addInitializer(name: string, tensor: TensorJson, scope?: string): void {
    this.#run('addInitializer', { ...(scope !== undefined && { scope }), name, tensor });
  }

  deleteInitializer(at: ValueLike): void {
    this.#run('deleteInitializer', { at: toValueRef(at) });
  }

  // ---- the interface of the model ------------------------------------------------------------------------------------

  addInput(value: ValueJson, scope?: string): void {
    this.#run('addInput', { ...(scope !== undefined && { scope }), value });
  }

  deleteInput(at: ValueLike): void {
    this.#run('deleteInput', { at: toValueRef(at) });
  }

  addOutput(at: ValueLike, type?: Omit<ValueJson, 'name'>): void {
    this.#run('addOutput', { at: toValueRef(at), ...(type !== undefined && { type }) });
  }

  deleteOutput(at: ValueLike): void {
    this.#run('deleteOutput', { at: toValueRef(at) });
  }

  importOpset(domain: string, version: number, scope?: string): void {
    this.#run('importOpset', { ...(scope !== undefined && { scope }), domain, version });
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  /** Keeps what lies between values of the main graph. Values may come with types, else known ones are used. */
  extract(inputs: readonly (string | ValueJson)[], outputs: readonly (string | ValueJson)[]): void {
    this.#run('extract', { inputs: inputs.map(toValue), outputs: outputs.map(toValue) });
  }

  /** Keeps nodes of the main graph, and constants that they read; their other wires become inputs and outputs. */
  extractNodes(nodes: readonly NodeLike[]): void {
    const { inputs, outputs } = findBoundary(
      this.#draft.main,
      nodes.map((node) => resolveNode(this.#draft, toNodeRef(node))),
    );
    this.extract(inputs, outputs);
  }

  /** Puts another model, given to `editGraph` by that name, behind this one. See `verbs/merge.ts`. */
  merge(model: string, options: Omit<VerbArgs<'merge'>, 'model'> = {}): void {
    this.#run('merge', { model, ...options });
  }

  /** Puts a prefix before all names but those of the interface, or these too. */
  prefix(prefix: string, options: { interface?: boolean } = {}): void {
    this.#run('prefix', { prefix, ...options });
  }

  /** Puts the body of the called function in the place of the call. */
  inline(node: NodeLike): void {
    this.#run('inline', { node: toNodeRef(node) });
  }

  /** Makes a function of nodes of one scope, and a call in their place. See `verbs/outline.ts`. */
  outline(nodes: readonly NodeLike[], name: string, options: { domain?: string } = {}): NodeView {
    return this.#run('outline', { nodes: nodes.map(toNodeRef), name, ...options });
  }

  /** Adds a model-local function. @returns the path of its body. See `verbs/function.ts` */
  addFunction(args: VerbArgs<'addFunction'>): string {
    return this.#run('addFunction', args);
  }

  /** Inlines every call, of functions in functions too, and removes the functions. */
  inlineAll(): void {
    const ids = new Set(this.#draft.listFunctions().map(toFunctionId));
    const listCalls = (): Node[] =>
      [...this.#draft.main.eachScope()].flatMap((scope) =>
        scope.nodes
          .toArray()
          .filter(({ domain, op, overload }) => ids.has(toFunctionId({ domain, name: op, overload }))),
      );
    // A body may hold calls of its own: each round goes one level deeper.
    for (let calls = listCalls(); calls.length > 0; calls = listCalls()) for (const call of calls) this.inline(call);
    this.cleanup();
  }

  // ---- whole scopes --------------------------------------------------------------------------------------------------

  toposort(scope?: string): void {
    this.#run('toposort', scope === undefined ? {} : { scope });
  }

  cleanup(): CleanupResult {
    return this.#run('cleanup', {});
  }

  /** Arguments are checked as those of a plan are: what is recorded can be read back. */
  #run<V extends VerbName>(verb: V, args: VerbArgs<V>): VerbResult<V> {
    return this.#apply(parseArgs(verb, args, `step ${this.#steps.length}`)) as VerbResult<V>;
  }

  #apply(step: EditStep): unknown {
    const apply = VERBS[step.verb].apply as (draft: Draft, args: unknown) => unknown;
    const result = apply(this.#draft, toArgs(step));
    this.#steps.push(step);
    return result;
  }
}

function toValue(value: string | ValueJson): ValueJson {
  return typeof value === 'string' ? { name: value } : value;
}

function toArgs(step: EditStep): unknown {
  return Object.fromEntries(Object.entries(step).filter(([key]) => key !== 'verb'));
}
