/** The format-neutral model: files, lazy tensors, an optional graph, and the edits that every writable format answers. */
import type { ByteSource } from '../source/ports.ts';
import type { RewritePlan } from '../source/rewrite.ts';
import type { DType } from './dtype.ts';

export type FormatId = 'onnx' | 'safetensors' | 'gguf' | 'tflite' | 'pytorch';

/** One file of a model. `name` is relative to the model's folder; the first file is the one that the user named. */
export interface ModelFile {
  readonly name: string;
  readonly source: ByteSource;
}

/** How the codes of an integer tensor stand for real numbers: scale · (code - zero point). */
export interface TensorQuantization {
  /** Axis whose index chooses the scale; null when one scale serves all elements. */
  readonly axis: number | null;
  readonly count: number;
  /** `count` scales and zero points. @throws SourceError */
  read(): { readonly scales: Float64Array; readonly zeroPoints: Float64Array };
}

/**
 * A tensor whose bytes stay in the file until asked for.
 *
 * "Logical bytes" are the elements in row-major order, packed, little-endian, whatever the storage
 * (a typed ONNX field is decoded, big-endian never occurs); 4- and 2-bit elements are packed low bits first.
 */
export interface TensorRef {
  /** Unique in the model. Tensors of nested scopes are prefixed: "scope/…/name". */
  readonly name: string;
  readonly dtype: DType;
  /** [] for a scalar. */
  readonly shape: readonly number[];
  readonly elementCount: number;
  /** Length of the logical bytes. */
  readonly byteLength: number;
  /** raw: stored logical bytes inside the main file; external: in another file; typed: varints or packed fields. */
  readonly storage: 'raw' | 'external' | 'typed';
  /** Where the stored bytes lie: index into `Model.files`, and the span in that file. */
  readonly fileIndex: number;
  readonly start: number;
  readonly end: number;
  /** Where the format keeps it with the tensor (TFLite); formats that keep it in the graph or in blocks have none. */
  readonly quantization?: TensorQuantization | null;
  /** Fills `into` with logical bytes from `byteOffset`. @throws FormatError | SourceError */
  read(byteOffset: number, into: Uint8Array): void;
}

/** Shape entries: a number, a symbolic name, or null when unknown. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType | null;
  readonly shape: readonly (number | string | null)[] | null;
}

export type Attribute =
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: Uint8Array }
  | { readonly kind: 'ints'; readonly values: readonly bigint[] }
  | { readonly kind: 'floats'; readonly values: readonly number[] }
  | { readonly kind: 'strings'; readonly values: readonly Uint8Array[] }
  | { readonly kind: 'tensor'; readonly tensor: TensorRef }
  | { readonly kind: 'graph'; readonly graph: Graph }
  | { readonly kind: 'graphs'; readonly graphs: readonly Graph[] }
  /**
   * A legal kind that nothing here interprets (sparse tensors, type protos), or, in a function body, a `reference` to an
   * attribute of the function.
   */
  | { readonly kind: 'other'; readonly type: number; readonly reference?: string };

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** "" is the default domain; "ai.onnx" is spelled "" here. */
  readonly domain: string;
  /** Which of several functions of one name is called; absent for the usual "". */
  readonly overload?: string;
  /** An omitted optional input is "". */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

/** One scope: the main graph, a subgraph or a function body. Nodes are in file order. */
export interface Graph {
  readonly name: string;
  /** Values to be fed: graph inputs that are not initializers. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly GraphNode[];
  /** Types known from value_info, inputs and outputs, by value name. */
  readonly values: ReadonlyMap<string, ValueInfo>;
  /** Constant tensors of this scope by value name: initializers and outputs of Constant nodes. */
  readonly tensors: ReadonlyMap<string, TensorRef>;
}

/** An opened model. Closing it closes its sources. */
export interface Model {
  readonly format: FormatId;
  readonly files: readonly ModelFile[];
  /** Every tensor of every scope, in file order. */
  readonly tensors: readonly TensorRef[];
  /** Null for formats without a graph. */
  readonly graph: Graph | null;
  /** Model-local functions by "domain::name"; empty without a graph. */
  readonly functions: ReadonlyMap<string, Graph>;
  /** Opset version by domain; empty without a graph. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * The settings file that lies beside a checkpoint (config.json), as text; null when there is none. It is no part of the
   * model: nothing digests it, and no format but safetensors has one.
   */
  readonly readSettings?: () => string | null;
  /**
   * The rewrite that applies `edits`; with none, it reproduces every file byte for byte.
   * Only the bytes of edited tensors and the length prefixes around them may differ.
   * @throws FormatError when an edit names a missing tensor or leaves its bounds
   */
  plan(edits: readonly ModelEdit[]): RewritePlan;
  close(): void;
}

/** Changes logical bytes of one tensor; dtype and shape stay. */
export interface TensorEdit {
  readonly kind: 'tensor';
  readonly tensor: string;
  /**
   * Changes `chunk`, the logical bytes from `byteOffset`, in place. Chunks begin at element borders (bytes, for packed
   * sub-byte types). Must be deterministic: a writer may call it more than once and in any cut.
   */
  readonly apply: (byteOffset: number, chunk: Uint8Array) => void;
}

/** Sets, or with null removes, one metadata entry. */
export interface MetadataEdit {
  readonly kind: 'metadata';
  readonly key: string;
  readonly value: string | null;
}

export type ModelEdit = TensorEdit | MetadataEdit;
