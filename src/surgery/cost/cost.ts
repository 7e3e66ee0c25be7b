/** What a graph costs to run: parameters, multiply-accumulates and operations per node. Pure; reads no weights. */
import type { GraphDocument, NodeRecord, ScopeRecord } from '../../model/document.ts';
import { findPackedByteLength } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import { toProduct } from '../infer/dims.ts';
import type { Inference } from '../infer/inference.ts';
import type { InferredType } from '../infer/types.ts';
import { findShape, FREE, MACS, type TypedNode } from './rules.ts';

export interface NodeCost {
  /** Path of the scope; "" for the main graph. */
  readonly scope: string;
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  /** By position; undefined for omitted ones. */
  readonly inputs: readonly (InferredType | undefined)[];
  readonly outputs: readonly (InferredType | undefined)[];
  /** Elements of the constants that it is the first to read; those of i64, bool and text are no parameters. */
  readonly parameters: number;
  /** Multiply-accumulates; null when a dimension is unknown, and for calls of functions. */
  readonly macs: number | null;
  /** Twice the multiply-accumulates; for other nodes that compute, one per element of the first input or output. */
  readonly flops: number | null;
}

export interface GraphCost {
  /** Of every scope, outer ones first. */
  readonly nodes: readonly NodeCost[];
  /** Sums over what is known. Of an If, the dearer branch; of a Loop or Scan, one turn. */
  readonly macs: number;
  readonly flops: number;
  /** Nodes whose cost is not known. */
  readonly unknownNodes: number;
  /** Of all constants of the main graph and its subgraphs. */
  readonly parameters: number;
  readonly parameterBytes: number;
}

/** @param inference of the same document; give it `inputShapes` to know the cost of symbolic sizes */
export function toGraphCost(document: GraphDocument, inference: Inference): GraphCost {
  const walk = new CostWalk(inference, new Set(document.functions.map(({ domain, name }) => `${domain}::${name}`)));
  const { macs, flops } = walk.addScope(document.graph, '', [], []);
  return { ...walk.toTotals(), macs, flops };
}

interface Sum {
  readonly macs: number;
  readonly flops: number;
}

class CostWalk {
  readonly #inference: Inference;
  readonly #functions: ReadonlySet<string>;
  readonly #nodes: NodeCost[] = [];
  readonly #counted = new Set<TensorRef>();
  #parameters = 0;
  #parameterBytes = 0;

  constructor(inference: Inference, functions: ReadonlySet<string>) {
    this.#inference = inference;
    this.#functions = functions;
  }

  toTotals(): Omit<GraphCost, 'macs' | 'flops'> {
    return {
      nodes: this.#nodes,
      unknownNodes: this.#nodes.filter(({ macs, flops }) => macs === null || flops === null).length,
      parameters: this.#parameters,
      parameterBytes: this.#parameterBytes,
    };
  }

  addScope(
    scope: ScopeRecord,
    path: string,
    outerTypes: readonly ReadonlyMap<string, InferredType>[],
    outerTensors: readonly ReadonlyMap<string, TensorRef>[],
  ): Sum {
    const types = [this.#inference.scopes.get(scope) ?? new Map<string, InferredType>(), ...outerTypes];
    const tensors = [toTensors(scope), ...outerTensors];
    let [macs, flops] = [0, 0];
    for (const node of scope.nodes) {
      const cost = this.#toCost(node, path, types, tensors);
      this.#nodes.push(cost);
      const inner = this.#addSubgraphs(node, types, tensors);
      macs += (cost.macs ?? 0) + inner.macs;
      flops += (cost.flops ?? 0) + inner.flops;
    }
    return { macs, flops };
  }

  #addSubgraphs(
    node: NodeRecord,
    types: readonly ReadonlyMap<string, InferredType>[],
    tensors: readonly ReadonlyMap<string, TensorRef>[],
  ): Sum {
    const sums: Sum[] = [];
    for (const attribute of node.attributes.values()) {
      if (attribute.kind !== 'graph') continue;
      sums.push(this.addScope(attribute.graph, attribute.graph.path, types, tensors));
    }
    // One branch of an If is run; other nodes have one graph.
    return sums.reduce((a, b) => (b.macs > a.macs || (b.macs === a.macs && b.flops > a.flops) ? b : a), {
      macs: 0,
      flops: 0,
    });
  }

  #toCost(
    node: NodeRecord,
    scope: string,
    types: readonly ReadonlyMap<string, InferredType>[],
    tensors: readonly ReadonlyMap<string, TensorRef>[],
  ): NodeCost {
    const find = (name: string): InferredType | undefined => (name === '' ? undefined : findIn(types, name));
    const inputs = node.inputs.map(find);
    const outputs = node.outputs.map(find);
    const { name, op, domain } = node;
    const parameters = node.inputs.reduce((sum, input) => sum + this.#countParameters(findIn(tensors, input)), 0);
    const isCall = this.#functions.has(`${domain}::${op}`);
    const counts = isCall ? { macs: null, flops: null } : toCounts({ node, inputs, outputs });
    return { scope, name, op, domain, inputs, outputs, parameters, ...counts };
  }

  #countParameters(tensor: TensorRef | undefined): number {
    if (tensor === undefined || this.#counted.has(tensor) || ['i64', 'bool', 'string'].includes(tensor.dtype)) return 0;
    this.#counted.add(tensor);
    this.#parameters += tensor.elementCount;
    this.#parameterBytes += findPackedByteLength(tensor.dtype, tensor.elementCount) ?? 0;
    return tensor.elementCount;
  }
}

function toCounts(of: TypedNode): { readonly macs: number | null; readonly flops: number | null } {
  const { attributes, domain, op } = of.node;
  const isStandard = domain === '' || domain === 'com.microsoft';
  const rule = isStandard ? MACS.get(op) : undefined;
  if (rule !== undefined) {
    const macs = rule(of);
    return typeof macs === 'number' ? { macs, flops: 2 * macs } : { macs: null, flops: null };
  }
  const isControl = [...attributes.values()].some(({ kind }) => kind === 'graph' || kind === 'graphs');
  if (isControl || (isStandard && FREE.has(op))) return { macs: 0, flops: 0 };
  if (!isStandard) return { macs: null, flops: null };
  // A reduction looks at what it reads, a broadcast at what it makes.
  const counts = [findShape(of.inputs, 0), findShape(of.outputs, 0)].map((shape) => (shape ? toProduct(shape) : null));
  const known = counts.filter((count) => typeof count === 'number');
  return { macs: 0, flops: known.length === counts.length ? Math.max(...known) : null };
}

function findIn<T>(maps: readonly ReadonlyMap<string, T>[], name: string): T | undefined {
  for (const map of maps) {
    const found = map.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Dense constants of a scope by name. */
function toTensors(scope: ScopeRecord): ReadonlyMap<string, TensorRef> {
  const tensors = new Map<string, TensorRef>();
  for (const { name, tensor } of scope.initializers) if (tensor !== null) tensors.set(name, tensor);
  for (const { attributes, domain, op, outputs } of scope.nodes) {
    const value = op === 'Constant' && domain === '' ? attributes.get('value') : undefined;
    if (value?.kind === 'tensor') tensors.set(outputs[0], value.tensor);
  }
  return tensors;
}
