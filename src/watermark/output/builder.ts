/** The nodes of an output mark: how they are named, put on the wire of an output, found again, and taken out. */
import { WatermarkError } from '../../core/errors.ts';
import { DTYPES } from '../../model/dtype.ts';
import { encodeFloats, type FloatDType } from '../../model/floats.ts';
import type { AttributeJson, NodeView, TensorJson, Transaction, ValueJson } from '../../surgery/index.ts';

/** Names of all nodes, values and constants of output marks begin so; then follow kind, id and a name of their own. */
const MARK_PREFIX = 'modelward/';

export interface MarkId {
  readonly kind: string;
  /** 8 hex digits. */
  readonly id: string;
}

export function toPrefix({ kind, id }: MarkId): string {
  return `${MARK_PREFIX}${kind}/${id}/`;
}

/** Adds the nodes of one mark. */
export class MarkBuilder {
  readonly tx: Transaction;
  readonly prefix: string;
  #count = 0;

  constructor(tx: Transaction, id: MarkId) {
    this.tx = tx;
    this.prefix = toPrefix(id);
  }

  /** A constant; its name. */
  constant(name: string, tensor: TensorJson): string {
    const full = this.prefix + name;
    this.tx.addInitializer(full, tensor);
    return full;
  }

  /** A constant of many floats. */
  floats(name: string, dtype: FloatDType, shape: readonly number[], values: Float64Array): string {
    const data = new Uint8Array((values.length * DTYPES[dtype].bits) / 8);
    encodeFloats(dtype, values, data);
    return this.constant(name, { dtype, shape, data });
  }

  scalar(name: string, dtype: TensorJson['dtype'], value: number): string {
    return this.constant(name, { dtype, shape: [], values: [value] });
  }

  /** A node with one output; the output's name. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeJson>> = {}): string {
    const name = `${this.prefix}${this.#count++}`;
    this.tx.addNodes([{ op, name, inputs: [...inputs], outputs: [name], attributes }]);
    return name;
  }

  /**
   * Puts a chain of nodes between an output of the model and what makes it; other readers keep what they read.
   * @param use tells several outputs of one mark apart
   * @param build gets the name of the value as the model made it, and returns the last node
   * @throws SurgeryError SURGERY_CANNOT_RECONNECT when the output is an input, too
   */
  onOutput(
    { output, use }: { readonly output: string; readonly use: string },
    build: (value: string) => LastNode,
  ): void {
    const name = `${this.prefix}out/${use}`;
    const inner = `${this.prefix}in/${use}`;
    const { node } = this.tx.insertOnEdge(output, 'output', { op: 'Identity', name }, { output: inner });
    const { op, inputs, attributes } = build(inner);
    this.tx.replace([node], [{ op, inputs: [...inputs], name, outputs: [output], ...(attributes && { attributes }) }]);
  }

  /** Adds an output of the model that `last` makes. @throws SurgeryError SURGERY_NAME_TAKEN */
  addOutput(
    { output, use }: { readonly output: string; readonly use: string },
    { op, inputs }: LastNode,
    type: Omit<ValueJson, 'name'>,
  ): void {
    this.tx.addNodes([{ op, name: `${this.prefix}end/${use}`, inputs: [...inputs], outputs: [output] }]);
    this.tx.addOutput(output, type);
  }
}

/** The node that makes an output of the model anew. */
export interface LastNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeJson>>;
}

/** The marks in a graph, by the names of their nodes, in the order of the graph. */
export function listMarkIds(tx: Transaction): MarkId[] {
  const found = new Map<string, MarkId>();
  for (const { name } of tx.scope().nodes) {
    const match = /^modelward\/([a-z]+)\/([0-9a-f]{8})\//.exec(name);
    if (match !== null) found.set(match[0], { kind: match[1], id: match[2] });
  }
  return [...found.values()];
}

/**
 * Takes a mark out: an output that it changed is what the model made again, one that it added is gone.
 * @throws WatermarkError WATERMARK_OUTPUT_ABSENT; WATERMARK_LABEL_DAMAGED when its parts do not hang together
 */
export function removeMark(tx: Transaction, { kind, id }: MarkId): void {
  const prefix = toPrefix({ kind, id });
  const nodes = tx.scope().nodes.filter(({ name }) => name.startsWith(prefix));
  // Callers pass whole marks, which hold the key: only these two may be told.
  if (nodes.length === 0) throw new WatermarkError('WATERMARK_OUTPUT_ABSENT', { fields: { kind, id } });
  const last = nodes.filter(({ name }) => name.startsWith(`${prefix}out/`));
  const bridges = last.map((node) => ({ node, source: findSource(tx, node, nodes, prefix) }));
  const added = new Set(nodes.filter(({ name }) => name.startsWith(`${prefix}end/`)).flatMap(({ outputs }) => outputs));
  for (const { name } of tx.scope().outputs) if (added.has(name)) tx.deleteOutput(name);
  for (const { node, source } of bridges) tx.remove(node, { reconnect: { [node.outputs[0]]: source } });
  const rest = nodes.filter((node) => !last.includes(node));
  if (rest.length > 0) tx.remove(rest);
  for (const name of tx.scope().initializers) if (name.startsWith(prefix)) tx.deleteInitializer(name);
}

/** What the mark reads of the model, on the way to this last node. */
function findSource(tx: Transaction, last: NodeView, nodes: readonly NodeView[], prefix: string): string {
  const known = new Set(nodes.flatMap(({ outputs }) => outputs));
  const own = new Set(tx.scope().initializers.filter((name) => name.startsWith(prefix)));
  const seen = new Set<string>();
  const open = [...last.inputs];
  const sources = new Set<string>();
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (seen.has(value) || own.has(value)) continue;
    seen.add(value);
    const maker = known.has(value) ? tx.producer(value) : undefined;
    if (maker === undefined) sources.add(value);
    else open.push(...maker.inputs);
  }
  // A mark may read an input of the model, too; what it stands between has the name that it gave.
  const all = [...sources];
  const source = all.length > 1 ? all.find((value) => value.startsWith(`${prefix}in/`)) : all.at(0);
  if (source === undefined) throw new WatermarkError('WATERMARK_LABEL_DAMAGED', { fields: { node: last.name } });
  return source;
}
