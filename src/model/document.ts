/**
 * A model's graph as it is edited: immutable records, each with the place it was read from.
 *
 * To edit, make a new record by spreading the old one: the place travels along, and writing keeps the bytes of every
 * part that is still the same object. See docs/decisions/0004-graph-surgery.md.
 */
import type { ByteSource } from '../source/ports.ts';
import type { Attribute, TensorRef, ValueInfo } from './types.ts';

/** Where the bytes of a record lie. Made by a format; everyone else only passes it on. */
export interface Place {
  readonly source: ByteSource;
  /** Number of the field whose content the record is. */
  readonly number: number;
  /** Offset of the field's tag. */
  readonly tagStart: number;
  /** Offset of the field's length. */
  readonly lengthStart: number;
  /** Span of the content. */
  readonly start: number;
  readonly end: number;
  /** The record as it was read: what is still identical in the edited one keeps its bytes. */
  readonly record: unknown;
}

/** `place` is null for records that did not come from a file. */
interface Placed {
  readonly place: Place | null;
}

/** Null dtype and shape: unknown, or not a tensor; a type that was read is kept while both stay as they were. */
export interface ValueRecord extends ValueInfo, Placed {}

/** A dense constant; its tensor's own name does not matter. A sparse one (tensor null) can be kept and renamed. */
export interface InitializerRecord extends Placed {
  readonly name: string;
  readonly tensor: TensorRef | null;
}

/** As {@link Attribute}, with nested graphs as records. */
export type AttributeRecord =
  | Exclude<Attribute, { readonly kind: 'graph' } | { readonly kind: 'graphs' }>
  | { readonly kind: 'graph'; readonly graph: ScopeRecord }
  | { readonly kind: 'graphs'; readonly graphs: readonly ScopeRecord[] };

export interface NodeRecord extends Placed {
  /** May be "", and need not be unique. */
  readonly name: string;
  readonly op: string;
  /** "" is the default domain; "ai.onnx" is spelled "" here. */
  readonly domain: string;
  readonly overload: string;
  /** An omitted optional input or output is "". */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeRecord>;
}

/** Names of the scale, zero point, … of a quantised value. */
export interface AnnotationRecord extends Placed {
  readonly value: string;
  /** Key (as "SCALE_TENSOR") and the value that it names. */
  readonly parameters: readonly (readonly [key: string, value: string])[];
}

/** The main graph, a subgraph, or the body of a function. */
export interface ScopeRecord extends Placed {
  /** Unique in the model as opened: "" for the main graph, "node.attribute", "domain::function"; nested by "/". */
  readonly path: string;
  readonly name: string;
  readonly nodes: readonly NodeRecord[];
  /** All inputs; below IR 4, initializers are among them. Those of a function have no types. */
  readonly inputs: readonly ValueRecord[];
  readonly outputs: readonly ValueRecord[];
  /** Types of values between the nodes. */
  readonly values: readonly ValueRecord[];
  /** None in a function. */
  readonly initializers: readonly InitializerRecord[];
  readonly annotations: readonly AnnotationRecord[];
}

export interface OpsetRecord extends Placed {
  /** "ai.onnx" is spelled "" here. */
  readonly domain: string;
  readonly version: number;
}

/** A model-local function. Its place is that of its body. */
export interface FunctionRecord {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  /** Names of attributes without a default; a call must give them if the body uses them. */
  readonly attributes: readonly string[];
  /** Attributes with a default. */
  readonly defaults: ReadonlyMap<string, AttributeRecord>;
  readonly opsets: readonly OpsetRecord[];
  readonly body: ScopeRecord;
}

export interface GraphDocument {
  /** 0 when the file does not say. */
  readonly irVersion: number;
  readonly opsets: readonly OpsetRecord[];
  readonly graph: ScopeRecord;
  readonly functions: readonly FunctionRecord[];
}

/** Key of an operator or a function: "domain::name", and ":overload" when there is one. */
export function toFunctionId(of: {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
}): string {
  return `${of.domain}::${of.name}${of.overload === '' ? '' : `:${of.overload}`}`;
}
