/** Canonical graph digests: what a graph computes, whatever its intermediate names and storage (docs/spec/baseline.md 5). */
import { createHash } from 'node:crypto';
import { toHex, u64be } from '../core/bytes.ts';
import { TAMPER_LIMITS } from '../core/limits/tamper.ts';
import type { Attribute, Graph, GraphNode, Model, TensorRef, ValueInfo } from '../model/types.ts';
import { toSourceOrder } from './source-order.ts';

/** What stands for a tensor inside a digest: its content root, or its name. */
export type TensorIdentity = (tensor: TensorRef) => string;

/** One node as a later comparison needs it; the hashes are the first 12 bytes of SHA-256, hex. */
export interface NodeRecord {
  /** "" for the main graph, "fn:domain::name" for a function, "…/node#attribute" for subgraphs. */
  readonly scope: string;
  readonly op: string;
  /** The node's name, or its first output where it has none: for people only. */
  readonly name: string;
  /** First output. */
  readonly output: string;
  /** Hash of op, attributes and the names of inputs and outputs. */
  readonly exact: string;
  /** Hash of op, attributes and, recursively, of what feeds the node; names of intermediate values do not enter. */
  readonly deep: string;
  /** Hash of op and attributes alone. */
  readonly local: string;
}

export interface GraphDigest {
  /** SHA-256, hex. */
  readonly digest: string;
  readonly nodes: readonly NodeRecord[];
  /** Attributes whose content no reader interprets: the digest covers their kind alone. */
  readonly opaque: number;
}

type Part = string | readonly Part[];

/** SHA-256 (hex) of the JSON text of nested arrays of strings. */
function hashParts(parts: Part): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

const toShort = (hash: string) => hash.slice(0, 24);

interface Walk {
  readonly identity: TensorIdentity;
  readonly nodes: NodeRecord[];
  opaque: number;
}

interface Scope {
  readonly label: string;
  readonly depth: number;
  /** Identity of a value of an enclosing scope. */
  readonly outer: (name: string) => string | undefined;
}

function toValueParts(info: ValueInfo): Part {
  const shape = info.shape === null ? 'unknown' : info.shape.map((dim) => (dim === null ? '?' : String(dim)));
  return [info.name, info.dtype ?? 'unknown', shape];
}

const toFloatHex = (value: number) => toHex(new Uint8Array(Float64Array.of(value).buffer));

function toTensorParts(walk: Walk, tensor: TensorRef): Part {
  return [tensor.dtype, tensor.shape.map(String), walk.identity(tensor)];
}

function toAttributeParts(walk: Walk, attribute: Attribute, scope: Scope): Part {
  switch (attribute.kind) {
    case 'int':
      return ['int', String(attribute.value)];
    case 'ints':
      return ['ints', attribute.values.map(String)];
    case 'float':
      return ['float', toFloatHex(attribute.value)];
    case 'floats':
      return ['floats', attribute.values.map(toFloatHex)];
    case 'string':
      return ['string', toHex(attribute.value)];
    case 'strings':
      return ['strings', attribute.values.map(toHex)];
    case 'tensor':
      return ['tensor', toTensorParts(walk, attribute.tensor)];
    case 'graph':
      return ['graph', hashScope(walk, attribute.graph, scope)];
    case 'graphs':
      return ['graphs', attribute.graphs.map((graph) => hashScope(walk, graph, scope))];
    case 'other':
      walk.opaque += 1;
      return ['other', String(attribute.type)];
  }
}

/**
 * Node indices of one scope so that producers come before consumers; nodes of a cycle come last, in file order.
 * Iterative: a chain of 100,000 nodes must not exhaust the stack.
 */
function toProducerOrder(graph: Graph, producer: ReadonlyMap<string, number>): number[] {
  const isKnown = (at: number | undefined): at is number => at !== undefined;
  return toSourceOrder(
    graph.nodes.map(({ inputs }) => new Set(inputs.map((input) => producer.get(input)).filter(isKnown))),
  );
}

interface ValueNames {
  readonly find: (name: string) => string | undefined;
  readonly define: (name: string, id: string) => void;
}

/** Identities of the values of one scope: fed values by position (by name at the top), constants by tensor identity. */
function openNames(walk: Walk, graph: Graph, scope: Scope): ValueNames {
  const ids = new Map<string, string>();
  graph.inputs.forEach((input, index) => {
    ids.set(
      input.name,
      scope.depth === 0 ? hashParts(['in', input.name]) : hashParts(['arg', String(scope.depth), String(index)]),
    );
  });
  for (const [name, tensor] of graph.tensors) ids.set(name, hashParts(['tensor', toTensorParts(walk, tensor)]));
  return {
    find: (name) => ids.get(name) ?? scope.outer(name),
    define: (name, id) => {
      if (!ids.has(name)) ids.set(name, id);
    },
  };
}

function hashNode(walk: Walk, graph: Graph, scope: Scope, names: ValueNames, index: number): string {
  const node: GraphNode = graph.nodes[index];
  const title = node.name || (node.outputs[0] ?? '');
  const attributes = [...node.attributes.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, attribute]): Part => {
      const label = `${scope.label}/${node.name || `${node.op}:${index}`}#${name}`;
      const inner = { label, depth: scope.depth + 1, outer: names.find };
      return [name, toAttributeParts(walk, attribute, inner)];
    });
  const local: Part = [node.domain, node.op, attributes];
  const inputs = node.inputs.map((input) => (input === '' ? '' : (names.find(input) ?? `free:${input}`)));
  const outputs = node.outputs.map((output) => (output === '' ? '' : '1'));
  const deep = hashParts(['node', local, inputs, outputs]);
  node.outputs.forEach((output, position) => {
    if (output !== '') names.define(output, hashParts(['out', deep, String(position)]));
  });
  walk.nodes.push({
    scope: scope.label,
    op: node.domain === '' ? node.op : `${node.domain}::${node.op}`,
    name: title,
    output: node.outputs[0] ?? '',
    exact: toShort(hashParts(['exact', local, node.inputs, node.outputs])),
    deep: toShort(deep),
    local: toShort(hashParts(['local', local])),
  });
  return deep;
}

function hashScope(walk: Walk, graph: Graph, scope: Scope): string {
  if (scope.depth > TAMPER_LIMITS.scopeDepthMax) throw new Error('internal error: graph scopes nested too deep');
  const names = openNames(walk, graph, scope);
  const producer = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) if (output !== '' && !producer.has(output)) producer.set(output, index);
  });
  const nodes = toProducerOrder(graph, producer).map((index) => hashNode(walk, graph, scope, names, index));
  const inputs = graph.inputs.map(
    (info): Part => (scope.depth === 0 ? toValueParts(info) : toValueParts({ ...info, name: '' })),
  );
  const outputs = graph.outputs.map((info): Part => {
    const shown = scope.depth === 0 ? info : { ...info, name: '' };
    return [toValueParts(shown), names.find(info.name) ?? `free:${info.name}`];
  });
  const tensors = [...graph.tensors.values()].map((tensor) => hashParts(toTensorParts(walk, tensor))).sort();
  return hashParts(['graph', inputs, outputs, nodes.sort(), tensors]);
}

/**
 * Digest of graph, functions and opsets of a model. Two files have the same digest when they compute the same with the
 * same tensors: order of nodes, names of nodes and of intermediate values, and storage of tensors do not enter.
 * @returns null for a model without a graph
 */
export function toGraphDigest(model: Model, identity: TensorIdentity): GraphDigest | null {
  if (model.graph === null) return null;
  const walk: Walk = { identity, nodes: [], opaque: 0 };
  const noOuter = () => undefined;
  const graph = hashScope(walk, model.graph, { label: '', depth: 0, outer: noOuter });
  const functions = [...model.functions.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, body]): Part => [name, hashScope(walk, body, { label: `fn:${name}`, depth: 1, outer: noOuter })]);
  const opsets = [...model.opsets.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([domain, version]): Part => [domain, String(version)]);
  return { digest: hashParts(['model', opsets, graph, functions]), nodes: walk.nodes, opaque: walk.opaque };
}

/** Digest of one metadata entry, hex: the value itself may be long or private. */
export function toMetadataDigest(key: string, value: string): string {
  const keyBytes = Buffer.from(key, 'utf8');
  return createHash('sha256').update(u64be(keyBytes.length)).update(keyBytes).update(value, 'utf8').digest('hex');
}
