/** Writes GGUF files field by field, so that any field can be wrong. */

export type Bytes = Uint8Array;

export const join = (...parts: readonly Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts));
export const u8 = (value: number): Bytes => Uint8Array.of(value & 255);
export function u32(value: number): Bytes {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value >>> 0);
  return new Uint8Array(out);
}
export function u64(value: number | bigint): Bytes {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return new Uint8Array(out);
}
export function f32(...values: readonly number[]): Bytes {
  return new Uint8Array(new Float32Array(values).buffer);
}
export const text = (value: string | Bytes): Bytes => {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return join(u64(bytes.length), bytes);
};

/** Numbers of the value types. */
export const TYPE = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** Numbers of the element types that tests use. */
export const GGML = { f32: 0, f16: 1, q4_0: 2, q8_0: 8, q4_k: 12, i8: 24, i32: 26, f64: 28, bf16: 30 } as const;

export interface Entry {
  readonly key: string | Bytes;
  readonly type: number;
  /** The value without its type. */
  readonly value: Bytes;
}

export const entry = (key: string | Bytes, type: number, value: Bytes): Entry => ({ key, type, value });
export const stringEntry = (key: string, value: string | Bytes): Entry => entry(key, TYPE.string, text(value));
export const arrayEntry = (key: string, type: number, count: number | bigint, elements: Bytes): Entry =>
  entry(key, TYPE.array, join(u32(type), u64(count), elements));
export const alignment = (bytes: number): Entry => entry('general.alignment', TYPE.u32, u32(bytes));

export interface TensorSpec {
  readonly name: string | Bytes;
  /** Fastest first, as in the file. */
  readonly dims: readonly (number | bigint)[];
  readonly type: number;
  readonly data: Bytes;
  /** By default the next multiple of the alignment. */
  readonly offset?: number | bigint;
  /** By default the number of `dims`. */
  readonly rank?: number;
}

export interface GgufSpec {
  readonly magic?: Bytes;
  readonly version?: number;
  readonly tensorCount?: number | bigint;
  readonly entryCount?: number | bigint;
  readonly entries?: readonly Entry[];
  readonly tensors?: readonly TensorSpec[];
  /** What the writer aligns to; 32 by default, as the readers. */
  readonly align?: number;
  /** Byte that fills every padding; 0 by default. */
  readonly fill?: number;
  /** Without padding behind the last tensor. */
  readonly isUnpadded?: boolean;
  /** Bytes after everything. */
  readonly tail?: Bytes;
}

const pad = (length: number, align: number): number => (align - (length % align)) % align;

export function gguf(spec: GgufSpec = {}): Bytes {
  const { entries = [], tensors = [], align = 32, fill = 0, version = 3 } = spec;
  const head = join(
    spec.magic ?? Buffer.from('GGUF'),
    u32(version),
    u64(spec.tensorCount ?? tensors.length),
    u64(spec.entryCount ?? entries.length),
    ...entries.flatMap(({ key, type, value }) => [text(key), u32(type), value]),
  );
  const infos: Bytes[] = [];
  const data: Bytes[] = [];
  let at = 0;
  for (const tensor of tensors) {
    const { dims } = tensor;
    infos.push(text(tensor.name), u32(tensor.rank ?? dims.length), ...dims.map(u64), u32(tensor.type));
    infos.push(u64(tensor.offset ?? at));
    const isLast = tensor === tensors.at(-1) && spec.isUnpadded === true;
    const gap = isLast ? 0 : pad(tensor.data.length, align);
    data.push(tensor.data, new Uint8Array(gap).fill(fill));
    at += tensor.data.length + gap;
  }
  const header = new Uint8Array(Buffer.concat([head, ...infos]));
  const gap = tensors.length === 0 ? 0 : pad(header.length, align);
  const padding = new Uint8Array(gap).fill(fill);
  return new Uint8Array(Buffer.concat([header, padding, ...data, spec.tail ?? new Uint8Array(0)]));
}
