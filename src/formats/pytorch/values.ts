/** The symbolic values of a pickle: what it would build, described and never built. */
import type { DType } from '../../model/dtype.ts';
import type { Severity } from './globals.ts';

/** Numbers are finite or not, whole or not; whole ones beyond 2^53 are bigint. Long text and bytes are kept as lengths. */
export type Value = null | boolean | number | bigint | string | Node;

export type Node =
  | { readonly kind: 'bytes'; readonly length: number }
  /** Text of more bytes than are kept. */
  | { readonly kind: 'long-text'; readonly length: number }
  | GlobalNode
  | { readonly kind: 'tuple'; readonly items: readonly Value[] }
  | ListNode
  | DictNode
  /** Items of sets are not kept: no tensor is found by them. */
  | { readonly kind: 'set' }
  | CallNode
  | StorageNode
  | TensorNode
  /** What a lenient reading puts where a value is missing. */
  | { readonly kind: 'unknown' };

/** A name that the unpickler would import. */
export interface GlobalNode {
  readonly kind: 'global';
  readonly name: string;
  readonly severity: Severity;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: Value[];
}

export interface DictNode {
  readonly kind: 'dict';
  readonly entries: (readonly [Value, Value])[];
}

/** What calling an importable name would give; never called. */
export interface CallNode {
  readonly kind: 'call';
  readonly name: string;
  readonly severity: Severity;
  readonly args: readonly Value[];
  /** Set by BUILD: what the object's attributes would become. */
  state: Value;
  readonly entries: (readonly [Value, Value])[];
  readonly items: Value[];
}

/** A typed run of elements in a member of the archive. */
export interface StorageNode {
  readonly kind: 'storage';
  /** null for an untyped storage, whose elements are bytes. */
  readonly dtype: DType | null;
  readonly key: string;
  readonly elementCount: number;
  readonly at: number;
}

/** A view of a storage; offset, sizes and strides count elements. */
export interface TensorNode {
  readonly kind: 'tensor';
  readonly storage: StorageNode;
  readonly dtype: DType;
  readonly offset: number;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly requiresGrad: boolean;
  /** Place of the opcode that built it. */
  readonly at: number;
}

export const UNKNOWN: Node = Object.freeze({ kind: 'unknown' });

export function isNode(value: Value): value is Node {
  return typeof value === 'object' && value !== null;
}

/** The node of that kind, or undefined. */
export function findNode<K extends Node['kind']>(
  value: Value | undefined,
  kind: K,
): Extract<Node, { kind: K }> | undefined {
  return value !== undefined && isNode(value) && value.kind === kind
    ? (value as Extract<Node, { kind: K }>)
    : undefined;
}
