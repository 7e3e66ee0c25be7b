/** A graph under construction: standard ONNX operators in order, and the constant tensors they use. */

/** float32 or int64 values; row-major, [] for a scalar. */
export interface Initializer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

export type AttributeValue =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'ints'; readonly values: readonly number[] };

export interface ExportNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface ExportValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  /** int64 instead of float32. */
  readonly isInteger?: boolean;
}

export interface ExportGraph {
  readonly name: string;
  readonly input: ExportValue;
  readonly output: ExportValue;
  readonly nodes: readonly ExportNode[];
  readonly initializers: readonly Initializer[];
}

export const int = (value: number): AttributeValue => ({ kind: 'int', value });
export const float = (value: number): AttributeValue => ({ kind: 'float', value });
export const ints = (...values: readonly number[]): AttributeValue => ({ kind: 'ints', values });

export class GraphBuilder {
  readonly nodes: ExportNode[] = [];
  readonly #initializers = new Map<string, Initializer>();

  get initializers(): readonly Initializer[] {
    return [...this.#initializers.values()];
  }

  /** Adds a node and returns the name of its one output. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    const name = `${op}_${this.nodes.length}`;
    this.nodes.push({ name, op, inputs, output: `${name}_output`, attributes });
    return `${name}_output`;
  }

  tensor(name: string, shape: readonly number[], values: Float32Array): string {
    this.#initializers.set(name, { name, shape, values });
    return name;
  }

  scalar(name: string, value: number): string {
    return this.tensor(name, [], Float32Array.of(value));
  }

  /** A list of integers, as shapes and indices are. */
  integers(name: string, values: readonly number[]): string {
    this.#initializers.set(name, { name, shape: [values.length], values: BigInt64Array.from(values, BigInt) });
    return name;
  }

  /** Gives the last node's output another name. */
  nameOutput(output: string): void {
    const last = this.nodes.pop();
    if (last === undefined) throw new TypeError('a graph needs a node');
    this.nodes.push({ ...last, output });
  }
}
