/** One scope of an ONNX model while it is read: the graph that comes of it, and what surgery needs beyond. */
import type { Graph, GraphNode, TensorRef, ValueInfo } from '../../model/types.ts';

/** A scope while it is read. */
export class ScopeDraft {
  readonly inputs: ValueInfo[] = [];
  readonly outputs: ValueInfo[] = [];
  readonly nodes: GraphNode[] = [];
  readonly values = new Map<string, ValueInfo>();
  /** value_info, and names of initializers and sparse ones, in file order: what surgery pairs with their spans. */
  readonly inner: ValueInfo[] = [];
  readonly dense: string[] = [];
  readonly sparse: string[] = [];
  readonly tensors = new Map<string, TensorRef>();
  /** Values that are not fed: the initializers, dense and sparse. */
  readonly initialized = new Set<string>();
  /** "" for the main graph, else its path and "/". */
  readonly prefix: string;
  name = '';

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** Path of a value of this scope. */
  toPath(name: string): string {
    // Not by joining with "": the engine keeps a joined string as its two parts.
    return this.prefix === '' ? name : `${this.prefix}${name}`;
  }

  toGraph(): Graph {
    const { name, nodes, outputs, tensors, values } = this;
    // Files older than IR 4 list initializers among the inputs.
    const inputs = this.inputs.filter((input) => !this.initialized.has(input.name));
    return { name, inputs, outputs, nodes, values, tensors };
  }
}
