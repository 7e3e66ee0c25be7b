/** What inference knows of a value: element type, shape with symbolic dimensions, and the elements of small ones. */
import type { DType } from '../../model/dtype.ts';

/** A number, a symbolic name, or null when unknown. Names are equal where the model says so, and only there. */
export type Dim = number | string | null;
export type Shape = readonly Dim[];

/**
 * An element of a small tensor: a number (0 or 1 for bool), the dimension of that name, or null when unknown. Infinity as
 * an integer is one beyond 2^53.
 */
export type Element = number | string | null;
export type Elements = readonly Element[];

export interface TensorType {
  readonly kind: 'tensor';
  readonly dtype: DType | null;
  /** Null when even the rank is unknown. */
  readonly shape: Shape | null;
  /** Elements in row-major order; null when nothing is known of them, or when there are too many. */
  readonly value: Elements | null;
}

export interface SequenceType {
  readonly kind: 'sequence';
  readonly element: TensorType;
}

export interface OptionalType {
  readonly kind: 'optional';
  readonly element: TensorType | SequenceType;
}

export type InferredType = TensorType | SequenceType | OptionalType;

export const UNKNOWN: TensorType = Object.freeze({ kind: 'tensor', dtype: null, shape: null, value: null });

/** Dimensions that cannot be, such as negative ones computed from a hostile file, are unknown. */
export function toTensorType(dtype: DType | null, shape: Shape | null, value: Elements | null = null): TensorType {
  const dims = shape?.every(isDim) === false ? shape.map((dim) => (isDim(dim) ? dim : null)) : shape;
  return { kind: 'tensor', dtype, shape: dims, value };
}

function isDim(dim: Dim): boolean {
  return typeof dim !== 'number' || (Number.isSafeInteger(dim) && dim >= 0);
}

export function toSequenceType(element: TensorType): SequenceType {
  return { kind: 'sequence', element };
}

/** The same type without what is known of the elements. */
export function toValueless(type: InferredType): InferredType {
  return type.kind === 'tensor' && type.value !== null ? { ...type, value: null } : type;
}

/** What holds of both: of a value that comes from one of two places. */
export function toCommonType(a: InferredType, b: InferredType): InferredType {
  if (a.kind === 'tensor' && b.kind === 'tensor') return toCommonTensor(a, b);
  if (a.kind === 'sequence' && b.kind === 'sequence') return toSequenceType(toCommonTensor(a.element, b.element));
  if (a.kind === 'optional' && b.kind === 'optional') {
    const element = toCommonType(a.element, b.element);
    return element.kind === 'optional' ? UNKNOWN : { kind: 'optional', element };
  }
  return UNKNOWN;
}

function toCommonTensor(a: TensorType, b: TensorType): TensorType {
  const dtype = a.dtype === b.dtype ? a.dtype : null;
  const isSameRank = a.shape !== null && b.shape?.length === a.shape.length;
  const shape = isSameRank ? a.shape.map((dim, i) => (dim === b.shape![i] ? dim : null)) : null;
  const isValued = shape?.includes(null) === false && a.value !== null && b.value?.length === a.value.length;
  const value = isValued ? a.value.map((element, i) => (Object.is(element, b.value![i]) ? element : null)) : null;
  return toTensorType(dtype, shape, value);
}

/** True when both say the same of type and shape. */
export function isSameType(a: InferredType, b: InferredType): boolean {
  if (a.kind === 'tensor' && b.kind === 'tensor') {
    const { shape } = a;
    const isSameShape =
      shape === null
        ? b.shape === null
        : b.shape?.length === shape.length && shape.every((dim, i) => dim === b.shape![i]);
    return a.dtype === b.dtype && isSameShape;
  }
  if (a.kind === 'tensor' || b.kind === 'tensor' || a.kind !== b.kind) return false;
  return isSameType(a.element, b.element);
}
