/**
 * A model's graph laid flat: functions and subgraphs are put in place of the nodes that run them, so that a rule that
 * follows values sees through all scopes. What is put in twice is there twice.
 */
import { SCAN_LIMITS } from '../../core/limits/scan.ts';
import type { Attribute, Graph, GraphNode, Model, TensorRef, ValueInfo } from '../../model/types.ts';
import { toCanonicalOp } from './ops.ts';
import { toSourceOrder } from '../source-order.ts';

export interface FlatNode {
  /** As {@link toCanonicalOp} spells it. */
  readonly op: string;
  readonly domain: string;
  readonly name: string;
  readonly scope: string;
  /** Numbers of values; -1 for an omitted operand. */
  readonly inputs: number[];
  readonly outputs: readonly number[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface FlatValue {
  readonly name: string;
  readonly scope: string;
  /** Number of the node that makes it; -1 for inputs and constants. */
  producer: number;
  readonly info: ValueInfo | null;
  readonly tensor: TensorRef | null;
  readonly isInput: boolean;
}

export interface FlatGraph {
  readonly nodes: readonly FlatNode[];
  readonly values: readonly FlatValue[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Numbers of nodes so that producers come first; of nodes in a circle, file order. */
  readonly order: readonly number[];
  /** Functions that something runs. */
  readonly called: ReadonlySet<string>;
  /** True when a cap stopped the laying out: what is missing was not looked at. */
  readonly isCut: boolean;
}

/** Lays out `model`; null without a graph. Never throws for what the graph says. */
export function toFlatGraph(model: Model): FlatGraph | null {
  if (model.graph === null) return null;
  const draft = new FlatDraft(model);
  const scope = draft.enter(model.graph, null, '');
  const inputs = model.graph.inputs.map((info) => draft.bindInput(scope, info));
  draft.layOut(model.graph, scope, 0);
  const outputs = model.graph.outputs.map(({ name }) => draft.use(scope, name));
  return draft.toGraph(inputs, outputs);
}

interface Scope {
  readonly label: string;
  readonly graph: Graph;
  readonly parent: Scope | null;
  readonly values: Map<string, number>;
}

class FlatDraft {
  readonly #model: Model;
  readonly #functions: readonly [string, Graph][];
  readonly #nodes: FlatNode[] = [];
  readonly #values: FlatValue[] = [];
  readonly #called = new Set<string>();
  /** Ways from operands to results, of which following values walks every one. */
  #edges = 0;
  #isCut = false;

  constructor(model: Model) {
    this.#model = model;
    this.#functions = [...model.functions];
  }

  toGraph(inputs: readonly number[], outputs: readonly number[]): FlatGraph {
    const nodes = this.#nodes;
    const values = this.#values;
    return { nodes, values, inputs, outputs, order: toOrder(nodes, values), called: this.#called, isCut: this.#isCut };
  }

  enter(graph: Graph, parent: Scope | null, label: string): Scope {
    return { label, graph, parent, values: new Map() };
  }

  bindInput(scope: Scope, info: ValueInfo): number {
    const value = this.#add({ name: info.name, scope: scope.label, info, tensor: null, isInput: true });
    scope.values.set(info.name, value);
    return value;
  }

  /** The value that `name` means in `scope`; a name that nothing defines is a value without a producer. */
  use(scope: Scope, name: string): number {
    if (name === '') return -1;
    for (let at: Scope | null = scope; at !== null; at = at.parent) {
      const known = at.values.get(name);
      if (known !== undefined) return known;
      const tensor = at.graph.tensors.get(name);
      if (tensor !== undefined) return this.#define(at, name, tensor);
    }
    return this.#define(scope, name, null);
  }

  layOut(graph: Graph, scope: Scope, depth: number): void {
    for (const node of graph.nodes) {
      if (this.#nodes.length >= SCAN_LIMITS.flatNodesMax || depth > SCAN_LIMITS.flatDepthMax) {
        this.#isCut = true;
        return;
      }
      this.#layOutNode(node, scope, depth);
    }
  }

  #add(value: Omit<FlatValue, 'producer'>): number {
    if (this.#values.length >= SCAN_LIMITS.flatValuesMax) this.#isCut = true;
    return this.#values.push({ ...value, producer: -1 }) - 1;
  }

  #define(scope: Scope, name: string, tensor: TensorRef | null): number {
    const info = scope.graph.values.get(name) ?? null;
    const value = this.#add({ name, scope: scope.label, info, tensor, isInput: false });
    scope.values.set(name, value);
    return value;
  }

  /** A node of the flat graph; `outputs` are names in `scope`. */
  #emit(node: GraphNode, op: string, scope: Scope, operands: number[], outputs: readonly string[]): number {
    this.#edges += operands.length * Math.max(1, outputs.length);
    const isFull = this.#edges > SCAN_LIMITS.flatEdgesMax;
    if (isFull) this.#isCut = true;
    const inputs = isFull ? [] : operands;
    const made = outputs.filter((name) => name !== '').map((name) => this.#redefine(scope, name));
    const { domain, attributes } = node;
    const name = node.name === '' ? (node.outputs.find((output) => output !== '') ?? node.op) : node.name;
    const index = this.#nodes.push({ op, domain, name, scope: scope.label, inputs, outputs: made, attributes }) - 1;
    for (const value of made) this.#values[value].producer = index;
    return index;
  }

  /** Output of a node: a reader that came before its producer has already made the value. */
  #redefine(scope: Scope, name: string): number {
    const known = scope.values.get(name);
    if (known !== undefined && this.#values[known].producer === -1 && !this.#values[known].isInput) return known;
    return this.#define(scope, name, null);
  }

  #layOutNode(node: GraphNode, scope: Scope, depth: number): void {
    const op = toCanonicalOp(node.domain, node.op);
    if (op === 'Constant' && scope.graph.tensors.has(node.outputs[0] ?? '')) return;
    const inputs = node.inputs.map((name) => this.use(scope, name));
    const called = this.#findFunction(node);
    if (called !== undefined) this.#layOutCall(node, called, scope, inputs, depth);
    else if (op === 'If') this.#layOutIf(node, scope, inputs, depth);
    else if (op === 'Loop' && toGraphs(node).length === 1) this.#layOutLoop(node, scope, inputs, depth);
    else if (op === 'While' && node.domain === 'tflite') this.#layOutWhile(node, scope, inputs, depth);
    else if (toGraphs(node).length > 0) this.#layOutBodies(node, op, scope, inputs, depth);
    else this.#emit(node, op, scope, inputs, node.outputs);
  }

  #findFunction(node: GraphNode): readonly [string, Graph] | undefined {
    const overload = node.overload === undefined || node.overload === '' ? '' : `:${node.overload}`;
    const id = `${node.domain}::${node.op}${overload}`;
    const graph = this.#model.functions.get(id);
    if (graph !== undefined && node.domain !== 'tflite') return [id, graph];
    return node.op === 'CALL' || node.op === 'CALL_ONCE' ? this.#findSubgraph(node, /subgraph/) : undefined;
  }

  /** TFLite names subgraphs by number; the functions of the model are those from number 1 on. */
  #findSubgraph(node: GraphNode, key: RegExp): readonly [string, Graph] | undefined {
    for (const [name, attribute] of node.attributes) {
      if (attribute.kind !== 'int' || !key.test(name)) continue;
      const found = this.#functions.at(Number(attribute.value) - 1);
      if (found !== undefined && attribute.value > 0n) return found;
    }
    return undefined;
  }

  /** Lays out a body whose inputs are `bound`; returns its outputs. */
  #layOutBody(graph: Graph, parent: Scope | null, label: string, bound: readonly number[], depth: number): number[] {
    const scope = this.enter(graph, parent, label);
    graph.inputs.forEach(({ name }, at) => {
      const value = bound.at(at);
      if (value !== undefined && value >= 0) scope.values.set(name, value);
    });
    this.layOut(graph, scope, depth + 1);
    return graph.outputs.map(({ name }) => this.use(scope, name));
  }

  #toLabel(scope: Scope, node: GraphNode, part: string): string {
    const own = node.name === '' ? (node.outputs[0] ?? node.op) : node.name;
    return `${scope.label}${scope.label === '' ? '' : '/'}${own}.${part}`;
  }

  #layOutCall(node: GraphNode, [id, graph]: readonly [string, Graph], scope: Scope, inputs: number[], depth: number) {
    this.#called.add(id);
    const outputs = this.#layOutBody(graph, null, this.#toLabel(scope, node, id), inputs, depth);
    node.outputs.forEach((name, at) => {
      const value = outputs.at(at) ?? -1;
      this.#emit(node, 'Identity', scope, value === -1 ? [] : [value], [name]);
    });
  }

  #layOutIf(node: GraphNode, scope: Scope, inputs: number[], depth: number): void {
    const isTflite = node.domain === 'tflite';
    const branches = ['then', 'else'].map((side) => {
      const called = isTflite ? this.#findSubgraph(node, new RegExp(`^${side}`)) : undefined;
      if (called !== undefined) this.#called.add(called[0]);
      const graph = called?.[1] ?? toGraphs(node).find(([name]) => name === `${side}_branch`)?.[1];
      if (graph === undefined) return [];
      const label = this.#toLabel(scope, node, called?.[0] ?? `${side}_branch`);
      return this.#layOutBody(graph, isTflite ? null : scope, label, isTflite ? inputs.slice(1) : [], depth);
    });
    node.outputs.forEach((name, at) => {
      const sides = branches.map((outputs) => outputs.at(at) ?? -1);
      this.#emit(node, 'If', scope, [inputs.at(0) ?? -1, ...sides], [name]);
    });
  }

  /** Output k is selected by trip count, first condition and the body's condition, from first value and body's. */
  #layOutLoop(node: GraphNode, scope: Scope, inputs: number[], depth: number): void {
    const [, graph] = toGraphs(node)[0];
    const label = this.#toLabel(scope, node, 'body');
    const inner = this.enter(graph, scope, label);
    const [count = -1, condition = -1, ...carried] = inputs;
    const carries = graph.inputs.map((info, at) => {
      const from = at === 0 ? count : at === 1 ? condition : (carried.at(at - 2) ?? -1);
      return this.#emit(node, at === 0 ? 'LoopIndex' : 'LoopCarry', inner, from === -1 ? [] : [from], [info.name]);
    });
    this.layOut(graph, inner, depth + 1);
    const results = graph.outputs.map(({ name }) => this.use(inner, name));
    const isRunning = results.at(0) ?? -1;
    results.slice(1).forEach((value, at) => {
      const carry = carries.at(at + 2);
      if (at < carried.length && carry !== undefined && value !== -1) this.#nodes[carry].inputs.push(value);
      const first = at < carried.length ? carried[at] : -1;
      const output = node.outputs.at(at) ?? '';
      if (output !== '') this.#emit(node, 'Loop', scope, [count, condition, isRunning, first, value], [output]);
    });
  }

  #layOutWhile(node: GraphNode, scope: Scope, inputs: number[], depth: number): void {
    const run = (key: RegExp): number[] => {
      const called = this.#findSubgraph(node, key);
      if (called === undefined) return [];
      this.#called.add(called[0]);
      return this.#layOutBody(called[1], null, this.#toLabel(scope, node, called[0]), inputs, depth);
    };
    const condition = run(/^cond/).at(0) ?? -1;
    const results = run(/^body/);
    node.outputs.forEach((name, at) => {
      const sides = [inputs.at(at) ?? -1, results.at(at) ?? -1];
      this.#emit(node, 'Loop', scope, [-1, condition, condition, ...sides], [name]);
    });
  }

  /** Scan, SequenceMap and whatever else has bodies: any operand may feed any input, and any result any output. */
  #layOutBodies(node: GraphNode, op: string, scope: Scope, inputs: number[], depth: number): void {
    const results = toGraphs(node).flatMap(([name, graph]) => {
      const inner = this.enter(graph, scope, this.#toLabel(scope, node, name));
      graph.inputs.forEach((info, at) => {
        const from = graph.inputs.length === inputs.length ? [inputs[at]] : [...inputs];
        this.#emit(node, 'LoopCarry', inner, from, [info.name]);
      });
      this.layOut(graph, inner, depth + 1);
      return graph.outputs.map((output) => this.use(inner, output.name));
    });
    node.outputs.forEach((name, at) => {
      const own = results.length === node.outputs.length ? [results[at]] : results;
      this.#emit(node, op, scope, own, [name]);
    });
  }
}

function toGraphs(node: GraphNode): (readonly [string, Graph])[] {
  return [...node.attributes].flatMap(([name, attribute]) => {
    if (attribute.kind === 'graph') return [[name, attribute.graph] as const];
    return attribute.kind === 'graphs' ? attribute.graphs.map((graph) => [name, graph] as const) : [];
  });
}

function toOrder(nodes: readonly FlatNode[], values: readonly FlatValue[]): number[] {
  const toSource = (value: number): number => (value === -1 ? -1 : values[value].producer);
  return toSourceOrder(nodes.map(({ inputs }) => new Set(inputs.map(toSource).filter((at) => at >= 0))));
}
