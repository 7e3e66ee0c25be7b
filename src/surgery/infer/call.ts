/** One call of an operator, as its rule sees it: types of its inputs, its attributes, and where conflicts are told. */
import type { AttributeRecord, NodeRecord, ScopeRecord } from '../../model/document.ts';
import type { TensorRef } from '../../model/types.ts';
import { findAxis } from './dims.ts';
import type { FindingId } from './findings.ts';
import { type Dim, type Elements, type InferredType, type Shape, type TensorType, UNKNOWN } from './types.ts';

/** What a rule says of the outputs, by position; what it leaves out is unknown. */
export type Rule = (call: Call) => readonly InferredType[];

/** What the walk does for calls. */
export interface CallHost {
  readonly node: NodeRecord;
  /** Version of the operator set. */
  readonly version: number;
  /** By position; undefined for omitted ones. */
  readonly inputs: readonly (InferredType | undefined)[];
  /** References to attributes of a function are resolved. */
  readonly attributes: ReadonlyMap<string, AttributeRecord>;
  /** Types of the outputs of a subgraph that is fed `inputs`. */
  readonly inferGraph: (graph: ScopeRecord, inputs: readonly InferredType[]) => readonly InferredType[];
  readonly report: (rule: FindingId, detail: string) => void;
}

export class Call {
  readonly #host: CallHost;

  constructor(host: CallHost) {
    this.#host = host;
  }

  get op(): string {
    return this.#host.node.op;
  }

  get version(): number {
    return this.#host.version;
  }

  get inputCount(): number {
    return this.#host.inputs.length;
  }

  get outputCount(): number {
    return this.#host.node.outputs.length;
  }

  has(input: number): boolean {
    return this.#host.inputs.at(input) !== undefined;
  }

  /** Type of an input; unknown when it is omitted. */
  type(input: number): InferredType {
    return this.#host.inputs[input] ?? UNKNOWN;
  }

  /** The input as a tensor; unknown when it is omitted or something else. */
  tensor(input: number): TensorType {
    const type = this.type(input);
    return type.kind === 'tensor' ? type : UNKNOWN;
  }

  /** Every input that is there, as a tensor. */
  tensors(): readonly TensorType[] {
    return this.#host.inputs.flatMap((type, i) => (type === undefined ? [] : [this.tensor(i)]));
  }

  shape(input: number): Shape | null {
    return this.tensor(input).shape;
  }

  dim(input: number, axis: number): Dim {
    return this.shape(input)?.at(axis) ?? null;
  }

  /** Elements of a small integer input; of one whose values are unknown but whose length is known, as many nulls. */
  elements(input: number): Elements | null {
    const { value, shape } = this.tensor(input);
    if (value !== null) return value;
    if (shape?.length !== 1 || typeof shape[0] !== 'number' || shape[0] > 64) return null;
    return Array.from({ length: shape[0] }, () => null);
  }

  /** Numbers of an input, all known. */
  numbers(input: number): readonly number[] | null {
    const { value } = this.tensor(input);
    return value?.every((element) => typeof element === 'number') === true ? value : null;
  }

  attribute(name: string): AttributeRecord | undefined {
    return this.#host.attributes.get(name);
  }

  int<F extends number | null>(name: string, fallback: F): number | F {
    const attribute = this.attribute(name);
    return attribute?.kind === 'int' ? Number(attribute.value) : fallback;
  }

  ints(name: string): readonly number[] | null {
    const attribute = this.attribute(name);
    return attribute?.kind === 'ints' ? attribute.values.map(Number) : null;
  }

  float(name: string, fallback: number): number {
    const attribute = this.attribute(name);
    return attribute?.kind === 'float' ? attribute.value : fallback;
  }

  text(name: string, fallback: string): string {
    const attribute = this.attribute(name);
    return attribute?.kind === 'string' ? Buffer.from(attribute.value).toString('utf8') : fallback;
  }

  graph(name: string): ScopeRecord | null {
    const attribute = this.attribute(name);
    return attribute?.kind === 'graph' ? attribute.graph : null;
  }

  constant(name: string): TensorRef | null {
    const attribute = this.attribute(name);
    return attribute?.kind === 'tensor' ? attribute.tensor : null;
  }

  inferGraph(graph: ScopeRecord, inputs: readonly InferredType[]): readonly InferredType[] {
    return this.#host.inferGraph(graph, inputs);
  }

  /** An axis counted from the front; null, told as a finding, outside the rank. */
  axis(axis: number, rank: number): number | null {
    const found = findAxis(axis, rank);
    if (found === undefined) this.conflict('axis', `axis ${axis} of rank ${rank}`);
    return found ?? null;
  }

  /** Axes counted from the front; null when one is outside the rank. */
  axes(axes: readonly number[], rank: number): readonly number[] | null {
    const found = axes.map((axis) => this.axis(axis, rank));
    return found.every((axis) => axis !== null) ? found : null;
  }

  /** True when the input has that rank, or may have it; a conflict is told. */
  isRank(input: number, rank: number): boolean {
    const shape = this.shape(input);
    if (shape === null || shape.length === rank) return true;
    this.conflict('rank', `input ${input} has rank ${shape.length}, not ${rank}`);
    return false;
  }

  conflict(rule: FindingId, detail: string): void {
    this.#host.report(rule, detail);
  }
}

/** A list of one output. */
export const one = (type: InferredType): readonly InferredType[] => [type];

/** One rule for several operators, whose names are given with blanks between them. */
export function rows(rule: Rule, names: string): [string, Rule][] {
  return names.split(' ').map((name) => [name, rule]);
}

/** A shape for messages. */
export function toShapeText(shape: Shape | null): string {
  return shape === null ? 'unknown' : `[${shape.map((dim: Dim) => dim ?? '?').join(', ')}]`;
}
