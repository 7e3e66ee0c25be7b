/** One scope of a graph prepared for matching: producers, consumers, and colours that say what a node is and where it stands. */
import { toHex } from '../../core/bytes.ts';
import type { Attribute, Graph, GraphNode } from '../../model/types.ts';
import type { NodeSide } from './types.ts';

/** Numbers for texts, shared by both graphs: equal text, equal number. */
export type Palette = (text: string) => number;

export function createPalette(): Palette {
  const numbers = new Map<string, number>();
  return (text) => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, numbers.size);
    return numbers.size - 1;
  };
}

export interface Port {
  readonly node: number;
  readonly slot: number;
}

/** Nodes in file order, without those that only hold a constant. */
export interface Scope {
  readonly graph: Graph;
  readonly nodes: readonly GraphNode[];
  readonly producer: ReadonlyMap<string, Port>;
  readonly consumers: ReadonlyMap<string, readonly Port[]>;
  /** Position of a fed value. */
  readonly fed: ReadonlyMap<string, number>;
  /** Operator, attributes and the kinds of the inputs. */
  readonly label: Int32Array;
  /** Of the label and everything that feeds the node. */
  readonly upward: Int32Array;
  /** Of the label and everything that the node feeds. */
  readonly downward: Int32Array;
  /** Weisfeiler-Lehman colours after one, two and three rounds: the neighbourhood up to that distance. */
  readonly rounds: readonly Int32Array[];
}

const ROUNDS = 3;
/** Small tensors in attributes are told apart by their content, larger ones by the comparison of tensors. */
const INLINE_BYTES_MAX = 4096;

/** Linear in nodes and edges, but for the sorting of consumers. */
export function toScope(graph: Graph, palette: Palette): Scope {
  const nodes = graph.nodes.filter(({ op, outputs }) => !(op === 'Constant' && graph.tensors.has(outputs[0] ?? '')));
  const producer = new Map<string, Port>();
  const consumers = new Map<string, Port[]>();
  nodes.forEach((node, index) => {
    node.outputs.forEach((name, slot) => {
      if (name !== '' && !producer.has(name)) producer.set(name, { node: index, slot });
    });
    node.inputs.forEach((name, slot) => {
      if (name === '') return;
      const list = consumers.get(name);
      if (list === undefined) consumers.set(name, [{ node: index, slot }]);
      else list.push({ node: index, slot });
    });
  });
  const fed = new Map(graph.inputs.map(({ name }, index) => [name, index]));
  const base = { graph, nodes, producer, consumers, fed };
  const label = Int32Array.from(nodes, (node) => palette(toLabelText(graph, node)));
  const order = toProducerOrder(base);
  return {
    ...base,
    label,
    upward: toUpward(base, label, order, palette),
    downward: toDownward(base, label, order, palette),
    rounds: toRounds(base, label, palette),
  };
}

type Wiring = Pick<Scope, 'graph' | 'nodes' | 'producer' | 'consumers' | 'fed'>;

function toLabelText(graph: Graph, node: GraphNode): string {
  const inputs = node.inputs.map((name) => {
    if (name === '') return '-';
    const tensor = graph.tensors.get(name);
    return tensor === undefined ? 'v' : `t${tensor.shape.join(',')}`;
  });
  return [toOpName(node), toAttributesText(node), inputs.join(' '), node.outputs.length].join('|');
}

/** "Conv", "com.example::Fancy". */
export function toOpName({ domain, op }: GraphNode): string {
  return domain === '' ? op : `${domain}::${op}`;
}

/** A node as a record names it: by its first output where it has no name. */
export function toNodeSide(node: GraphNode): NodeSide {
  return { name: node.name || (node.outputs[0] ?? ''), op: toOpName(node) };
}

function toAttributesText(node: GraphNode): string {
  return [...node.attributes]
    .map(([name, attribute]) => `${name}=${toAttributeText(attribute)}`)
    .sort()
    .join(';');
}

/** One attribute as text; nested graphs are compared node by node elsewhere. */
export function toAttributeText(attribute: Attribute): string {
  switch (attribute.kind) {
    case 'int':
    case 'float':
      return String(attribute.value);
    case 'ints':
    case 'floats':
      return `[${attribute.values.join(', ')}]`;
    case 'string':
      return JSON.stringify(Buffer.from(attribute.value).toString('utf8'));
    case 'strings':
      return `[${attribute.values.map((value) => JSON.stringify(Buffer.from(value).toString('utf8'))).join(', ')}]`;
    case 'tensor': {
      const { tensor } = attribute;
      const text = `${tensor.dtype}[${tensor.shape.join(', ')}]`;
      if (tensor.byteLength > INLINE_BYTES_MAX) return text;
      const bytes = new Uint8Array(tensor.byteLength);
      tensor.read(0, bytes);
      return `${text} ${toHex(bytes)}`;
    }
    case 'graph':
      return 'graph';
    case 'graphs':
      return `${attribute.graphs.length} graphs`;
    case 'other':
      return `type ${attribute.type}${attribute.reference === undefined ? '' : ` of ${attribute.reference}`}`;
  }
}

/** Producers before consumers; nodes of a cycle last, in file order. Iterative: chains may be long. */
function toProducerOrder({ nodes, producer, consumers }: Wiring): number[] {
  const waiting = nodes.map(({ inputs }) => new Set(inputs.flatMap((name) => producer.get(name)?.node ?? [])).size);
  const order = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  for (const index of order) {
    const fed = new Set(nodes[index].outputs.flatMap((name) => consumers.get(name)?.map(({ node }) => node) ?? []));
    for (const node of fed) {
      waiting[node] -= 1;
      if (waiting[node] === 0) order.push(node);
    }
  }
  const placed = new Set(order);
  return [...order, ...[...nodes.keys()].filter((index) => !placed.has(index))];
}

function toUpward(wiring: Wiring, label: Int32Array, order: readonly number[], palette: Palette): Int32Array {
  const { graph, nodes, producer, fed } = wiring;
  const colours = new Int32Array(nodes.length).fill(-1);
  for (const index of order) {
    const inputs = nodes[index].inputs.map((name) => {
      const from = producer.get(name);
      if (from !== undefined) return `${colours[from.node]}.${from.slot}`;
      if (graph.tensors.has(name)) return 't';
      return fed.has(name) ? `in${fed.get(name)!}` : name === '' ? '-' : 'outer';
    });
    colours[index] = palette(`up ${label[index]} ${inputs.join(' ')}`);
  }
  return colours;
}

function toDownward(wiring: Wiring, label: Int32Array, order: readonly number[], palette: Palette): Int32Array {
  const { graph, nodes, consumers } = wiring;
  const results = new Map<string, number[]>();
  graph.outputs.forEach(({ name }, index) => results.set(name, [...(results.get(name) ?? []), index]));
  const colours = new Int32Array(nodes.length).fill(-1);
  for (const index of [...order].reverse()) {
    const outputs = nodes[index].outputs.map((name) => {
      const fed = (consumers.get(name) ?? []).map(({ node, slot }) => `${colours[node]}.${slot}`).sort();
      return [...(results.get(name) ?? []).map((at) => `out${at}`), ...fed].join(',');
    });
    colours[index] = palette(`down ${label[index]} ${outputs.join(' ')}`);
  }
  return colours;
}

function toRounds({ nodes, producer, consumers }: Wiring, label: Int32Array, palette: Palette): Int32Array[] {
  const rounds: Int32Array[] = [];
  let last = label;
  for (let round = 0; round < ROUNDS; round++) {
    const before = last;
    last = Int32Array.from(nodes, ({ inputs, outputs }, index) => {
      const above = inputs.map((name) => {
        const from = producer.get(name);
        return from === undefined ? '' : `${before[from.node]}.${from.slot}`;
      });
      const below = outputs.map((name) =>
        (consumers.get(name) ?? [])
          .map(({ node, slot }) => `${before[node]}.${slot}`)
          .sort()
          .join(','),
      );
      return palette(`near ${before[index]} ${above.join(' ')} / ${below.join(' ')}`);
    });
    rounds.push(last);
  }
  return rounds;
}
