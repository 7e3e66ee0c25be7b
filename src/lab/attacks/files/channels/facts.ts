/** The graph as attacks on channels look at it: who reads what, which constants may be rewritten, and what they are to channels. */
import { isFloatDType } from '../../../../model/floats.ts';
import type { Graph, GraphNode, Model, TensorRef } from '../../../../model/types.ts';

/**
 * What a tensor's entries along `axis` are to the channels: rows make them, columns sum over them; the rest is applied to
 * each one between. `block` neighbouring entries belong to one channel (columns after a flattening).
 */
export interface Part {
  readonly tensor: string;
  readonly axis: number;
  readonly block: number;
  readonly role: 'row' | 'bias' | 'column' | 'shift' | 'factor' | 'gamma' | 'beta' | 'mean' | 'variance';
}

/** What may be done to a channel without changing the function, by what it goes through before it is summed up. */
export type Passes = 'any scale' | 'positive scales' | 'signs' | 'order only';

export interface GraphFacts {
  readonly graph: Graph;
  readonly consumers: ReadonlyMap<string, readonly GraphNode[]>;
  readonly outputs: ReadonlySet<string>;
}

export function toFacts(graph: Graph): GraphFacts {
  const consumers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) consumers.set(input, [...(consumers.get(input) ?? []), node]);
  }
  return { graph, consumers, outputs: new Set(graph.outputs.map(({ name }) => name)) };
}

/** Tensors by name, as the model lists them. */
export function toTensors(model: Model): ReadonlyMap<string, TensorRef> {
  return new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
}

/** A floating-point constant that one node alone reads, or that is one number. */
export function findConstant({ graph, consumers }: GraphFacts, name: string | undefined): TensorRef | undefined {
  const tensor = name === undefined ? undefined : graph.tensors.get(name);
  if (tensor === undefined || name === undefined || !isFloatDType(tensor.dtype)) return undefined;
  return tensor.elementCount === 1 || consumers.get(name)?.length === 1 ? tensor : undefined;
}

export function toInteger(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? Number(attribute.value) : otherwise;
}

export function toFloat(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'float' ? attribute.value : otherwise;
}

export function isPlainGemm(node: GraphNode): boolean {
  return toFloat(node, 'alpha', 1) === 1 && toFloat(node, 'beta', 1) === 1 && toInteger(node, 'transA', 0) === 0;
}
