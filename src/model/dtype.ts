/** Element types of all formats under one set of names, with their sizes. */

/**
 * How many bits an element takes and what its codes mean. `packed` types share bytes, low bits first (ONNX). Quantised
 * types lie in whole blocks of codes and scales (ggml): their `bits` are the mean per element, exact but not whole, and
 * the logical bytes of such a tensor are its blocks as stored.
 */
export interface DTypeRow {
  readonly bits: number;
  readonly kind: 'float' | 'int' | 'uint' | 'bool' | 'complex' | 'string' | 'block';
  readonly block?: BlockSize;
}

/** The smallest unit of a quantised type. */
export interface BlockSize {
  readonly elements: number;
  readonly bytes: number;
}

const toBlock = <E extends number, B extends number>(elements: E, bytes: B) =>
  ({ bits: (bytes * 8) / elements, kind: 'block', block: { elements, bytes } }) as const;

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
  // Block sizes as ggml-common.h asserts them; the Python package gguf 0.19 is wrong about q8_1 (40 bytes).
  q1_0: toBlock(128, 18),
  q2_0: toBlock(64, 18),
  q4_0: toBlock(32, 18),
  q4_1: toBlock(32, 20),
  q5_0: toBlock(32, 22),
  q5_1: toBlock(32, 24),
  q8_0: toBlock(32, 34),
  q8_1: toBlock(32, 36),
  q2_k: toBlock(256, 84),
  q3_k: toBlock(256, 110),
  q4_k: toBlock(256, 144),
  q5_k: toBlock(256, 176),
  q6_k: toBlock(256, 210),
  q8_k: toBlock(256, 292),
  iq1_s: toBlock(256, 50),
  iq1_m: toBlock(256, 56),
  iq2_xxs: toBlock(256, 66),
  iq2_xs: toBlock(256, 74),
  iq2_s: toBlock(256, 82),
  iq3_xxs: toBlock(256, 98),
  iq3_s: toBlock(256, 110),
  iq4_nl: toBlock(32, 18),
  iq4_xs: toBlock(256, 136),
  tq1_0: toBlock(256, 54),
  tq2_0: toBlock(256, 66),
  mxfp4: toBlock(32, 17),
  nvfp4: toBlock(64, 36),
} as const satisfies Record<string, DTypeRow>;

export type DType = keyof typeof rows;

/** The quantised types. */
export type BlockDType = { [K in DType]: (typeof rows)[K]['kind'] extends 'block' ? K : never }[DType];

/** Table of element types; the prototype is null, so a hostile name cannot reach Object.prototype. */
export const DTYPES: Readonly<Record<DType, DTypeRow>> = Object.freeze(
  Object.assign(Object.create(null) as Record<DType, DTypeRow>, rows),
);

export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}

export function isBlockDType(dtype: DType): dtype is BlockDType {
  return DTYPES[dtype].kind === 'block';
}

/** Elements and bytes of one block of a quantised type. */
export function toBlockSize(dtype: BlockDType): BlockSize {
  return rows[dtype].block;
}

/**
 * Stored bytes of `elementCount` elements, packed without padding between elements.
 * @returns a safe integer, or undefined when the product leaves the safe range or the elements do not fill whole blocks
 */
export function findPackedByteLength(dtype: DType, elementCount: number): number | undefined {
  const { bits, block } = DTYPES[dtype];
  const total = elementCount * bits;
  if (!Number.isSafeInteger(total) || elementCount % (block?.elements ?? 1) !== 0) return undefined;
  return Math.ceil(total / 8);
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
