/** Scalar constants that the graph compares its inputs with, such as a sample rate that selects a branch. */
import type { Graph, GraphNode, TensorRef } from '../model/types.ts';
import { decodeValues } from './values.ts';

/** Operators that pass a scalar on, so that what compares the result compares the input. */
const PASSING = new Set(['Cast', 'Identity', 'Squeeze', 'Unsqueeze', 'Reshape', 'Flatten', 'Gather', 'Slice']);
const COMPARING = new Set(['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual']);

/** A few candidates are tried; a graph that compares with more is not choosing a mode. */
const candidatesMax = 8;
const depthMax = 16;

interface Scope {
  /** Names that hold the value of an input: alias -> input. */
  readonly aliases: Map<string, string>;
  readonly constants: Map<string, TensorRef>;
}

/**
 * For every graph input that is compared with scalar constants: those constants in the order of the graph, and after
 * them their whole-number neighbours, which take the other branch (above for equality, both sides for an order).
 * Follows the operators that pass a scalar on, on both sides, and looks into the branches of If, Loop and Scan.
 */
export function findComparedConstants(graph: Graph): ReadonlyMap<string, readonly number[]> {
  const exact = new Map<string, number[]>();
  const beside = new Map<string, number[]>();
  const add = (found: Map<string, number[]>, input: string, values: readonly number[]): void => {
    found.set(input, [...(found.get(input) ?? []), ...values]);
  };
  const scope: Scope = {
    aliases: new Map(graph.inputs.map((input) => [input.name, input.name])),
    constants: new Map(),
  };
  visit(graph, scope, 0, (input, op, value) => {
    add(exact, input, [value]);
    add(beside, input, op === 'Equal' ? [value + 1] : [value - 1, value + 1]);
  });
  return new Map(
    [...exact].map(([name, values]) => [
      name,
      [...new Set([...values, ...(beside.get(name) ?? [])])].slice(0, candidatesMax),
    ]),
  );
}

function visit(
  graph: Graph,
  outer: Scope,
  depth: number,
  onFound: (input: string, op: string, value: number) => void,
): void {
  const scope: Scope = { aliases: new Map(outer.aliases), constants: new Map([...outer.constants, ...graph.tensors]) };
  for (const node of graph.nodes) {
    if (node.domain === '' && PASSING.has(node.op)) pass(node, scope);
    if (node.domain === '' && COMPARING.has(node.op)) compare(node, scope, onFound);
    if (depth >= depthMax) continue;
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'graph') visit(attribute.graph, scope, depth + 1, onFound);
      if (attribute.kind === 'graphs') for (const inner of attribute.graphs) visit(inner, scope, depth + 1, onFound);
    }
  }
}

function pass(node: GraphNode, scope: Scope): void {
  const [from = ''] = node.inputs;
  const [to = ''] = node.outputs;
  const alias = scope.aliases.get(from);
  if (alias !== undefined) scope.aliases.set(to, alias);
  const constant = scope.constants.get(from);
  if (constant !== undefined) scope.constants.set(to, constant);
}

function compare(node: GraphNode, scope: Scope, onFound: (input: string, op: string, value: number) => void): void {
  for (const [value = '', constant = ''] of [node.inputs, [...node.inputs].reverse()]) {
    const input = scope.aliases.get(value);
    const tensor = scope.constants.get(constant);
    const number = input === undefined || tensor === undefined ? undefined : findScalar(tensor);
    if (input !== undefined && number !== undefined) onFound(input, node.op, number);
  }
}

/** The number of a tensor with one element of at most 8 bytes. */
function findScalar(tensor: TensorRef): number | undefined {
  if (tensor.elementCount !== 1 || tensor.byteLength > 8 || tensor.dtype === 'string') return undefined;
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const value = decodeValues(tensor.dtype, bytes)[0];
  return Number.isFinite(value) ? value : undefined;
}
