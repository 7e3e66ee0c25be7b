/** Values that inference knows: shape arithmetic and small elementwise, gathering and joining work, in every scope. */
import type { GraphDocument, NodeRecord, ScopeRecord } from '../../model/document.ts';
import { DTYPES, findPackedByteLength } from '../../model/dtype.ts';
import { encodeFloats, isFloatDType } from '../../model/floats.ts';
import { encodeInts, isIntDType } from '../../model/ints.ts';
import type { TensorJson } from '../draft/json.ts';
import type { Inference } from '../infer/inference.ts';
import type { InferredType, TensorType } from '../infer/types.ts';
import { findByteLength, isFoldable, isWorthwhile } from './policy.ts';

/** One output of a node with what it always is. */
export interface FoldedValue {
  readonly output: string;
  readonly tensor: TensorJson & { readonly data: Uint8Array };
}

export interface FoldedNode {
  /** Path of its scope. */
  readonly scope: string;
  /** All outputs that have a name. */
  readonly values: readonly FoldedValue[];
}

/**
 * Nodes of the main graph and its subgraphs of which every output is known to the last element, and is read by a node that
 * is not known itself: the others are of no use afterwards.
 */
export function listKnownNodes({ graph }: GraphDocument, inference: Inference): readonly FoldedNode[] {
  const found: FoldedNode[] = [];
  const read = new Set<string>();
  const walk = (scope: ScopeRecord, outer: ReadonlyMap<string, InferredType>): void => {
    const types = new Map([...outer, ...(inference.scopes.get(scope) ?? [])]);
    for (const { name } of scope.outputs) read.add(name);
    for (const node of scope.nodes) {
      const values = isFoldable(node) ? findValues(node, types) : null;
      if (values !== null) found.push({ scope: scope.path, values });
      else for (const name of node.inputs) read.add(name);
      for (const attribute of node.attributes.values()) {
        if (attribute.kind === 'graph') walk(attribute.graph, types);
        else if (attribute.kind === 'graphs') for (const inner of attribute.graphs) walk(inner, types);
      }
    }
  };
  walk(graph, new Map());
  return found.filter(({ values }) => values.some(({ output }) => read.has(output)));
}

function findValues(node: NodeRecord, types: ReadonlyMap<string, InferredType>): readonly FoldedValue[] | null {
  const inputBytes = node.inputs.reduce((sum, name) => sum + (findByteLength(types.get(name)) ?? 0), 0);
  const values = node.outputs.flatMap((output) => (output === '' ? [] : [toFoldedValue(output, types.get(output))]));
  const bytes = values.reduce((sum, value) => sum + (value?.tensor.data.length ?? 0), 0);
  return values.every((value) => value !== null) && isWorthwhile(bytes, inputBytes) ? values : null;
}

function toFoldedValue(output: string, type: InferredType | undefined): FoldedValue | null {
  const data = type?.kind === 'tensor' && type.value !== null ? findBytes(type) : null;
  if (data === null) return null;
  const { dtype, shape } = type as TensorType;
  return { output, tensor: { dtype: dtype!, shape: shape as readonly number[], data } };
}

/** Null when an element is a symbol, unknown, or not of the type. */
function findBytes({ dtype, shape, value }: TensorType): Uint8Array | null {
  const isConcrete = shape?.every((dim) => typeof dim === 'number') === true;
  if (dtype === null || value === null || !isConcrete) return null;
  if (!value.every((element): element is number => typeof element === 'number')) return null;
  const bytes = new Uint8Array(findPackedByteLength(dtype, value.length)!);
  if (isFloatDType(dtype)) {
    encodeFloats(dtype, value, bytes);
    return bytes;
  }
  if (!isIntDType(dtype) || DTYPES[dtype].bits < 8 || !value.every(Number.isSafeInteger)) return null;
  encodeInts(dtype, value, bytes);
  return bytes;
}
