/** Element types of all formats under one set of names, with their sizes. */

/** How many bits an element takes and what its codes mean. `packed` types share bytes, low bits first (ONNX). */
export interface DTypeRow {
  readonly bits: number;
  readonly kind: 'float' | 'int' | 'uint' | 'bool' | 'complex' | 'string';
}

const rows = {
  f64: { bits: 64, kind: 'float' },
  f32: { bits: 32, kind: 'float' },
  f16: { bits: 16, kind: 'float' },
  bf16: { bits: 16, kind: 'float' },
  f8e4m3fn: { bits: 8, kind: 'float' },
  f8e4m3fnuz: { bits: 8, kind: 'float' },
  f8e5m2: { bits: 8, kind: 'float' },
  f8e5m2fnuz: { bits: 8, kind: 'float' },
  f8e8m0: { bits: 8, kind: 'float' },
  f6e2m3: { bits: 6, kind: 'float' },
  f6e3m2: { bits: 6, kind: 'float' },
  f4e2m1: { bits: 4, kind: 'float' },
  i64: { bits: 64, kind: 'int' },
  i32: { bits: 32, kind: 'int' },
  i16: { bits: 16, kind: 'int' },
  i8: { bits: 8, kind: 'int' },
  i4: { bits: 4, kind: 'int' },
  i2: { bits: 2, kind: 'int' },
  u64: { bits: 64, kind: 'uint' },
  u32: { bits: 32, kind: 'uint' },
  u16: { bits: 16, kind: 'uint' },
  u8: { bits: 8, kind: 'uint' },
  u4: { bits: 4, kind: 'uint' },
  u2: { bits: 2, kind: 'uint' },
  bool: { bits: 8, kind: 'bool' },
  c64: { bits: 64, kind: 'complex' },
  c128: { bits: 128, kind: 'complex' },
  string: { bits: 0, kind: 'string' },
} as const satisfies Record<string, DTypeRow>;

export type DType = keyof typeof rows;

/** Table of element types; the prototype is null, so a hostile name cannot reach Object.prototype. */
export const DTYPES: Readonly<Record<DType, DTypeRow>> = Object.freeze(
  Object.assign(Object.create(null) as Record<DType, DTypeRow>, rows),
);

export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}

/**
 * Stored bytes of `elementCount` elements, packed without padding between elements.
 * @returns a safe integer, or undefined when the product leaves the safe range
 */
export function findPackedByteLength(dtype: DType, elementCount: number): number | undefined {
  const bits = elementCount * DTYPES[dtype].bits;
  return Number.isSafeInteger(bits) ? Math.ceil(bits / 8) : undefined;
}

/** Product of `shape` (1 for a scalar), or undefined when a dimension is negative, fractional or the product unsafe. */
export function findElementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) return undefined;
    count *= dim;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}
