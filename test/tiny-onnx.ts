/** Writes small ONNX models for tests, straight in protobuf wire format (onnx.proto, IR 8, opset 13 unless told). */

export type Part = Uint8Array;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function varint(value: bigint | number): Uint8Array {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    out.push(rest === 0n ? low : low | 128);
  } while (rest !== 0n);
  return Uint8Array.from(out);
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const int = (field: number, value: bigint | number): Part => join(varint(field << 3), varint(value));
const bytes = (field: number, value: Uint8Array): Part => join(varint((field << 3) | 2), varint(value.length), value);
const text = (field: number, value: string): Part => bytes(field, utf8(value));

/** TensorProto.DataType */
const ONNX_TYPE = {
  f32: 1, u8: 2, i8: 3, u16: 4, i16: 5, i32: 6, i64: 7, bool: 9, f16: 10, f64: 11, u32: 12, u64: 13, bf16: 16,
} as const; // biome-ignore format: a table
export type TinyType = keyof typeof ONNX_TYPE;

/** A dimension: a number, a symbol, or null. */
export type TinyDim = number | string | null;

export function tinyValue(name: string, type: TinyType, shape: readonly TinyDim[]): Part {
  const dims = shape.map((dim) =>
    bytes(1, dim === null ? new Uint8Array() : typeof dim === 'number' ? int(1, dim) : text(2, dim)),
  );
  return join(text(1, name), bytes(2, bytes(1, join(int(1, ONNX_TYPE[type]), bytes(2, join(...dims))))));
}

export function tinyTensor(name: string, type: TinyType, shape: readonly number[], raw: Uint8Array): Part {
  return join(...shape.map((dim) => int(1, dim)), int(2, ONNX_TYPE[type]), text(8, name), bytes(9, raw));
}

/** A tensor whose bytes lie in another file. */
export function tinyExternal(
  name: string,
  type: TinyType,
  shape: readonly number[],
  at: { location: string; offset: number; length: number },
): Part {
  const entry = (key: string, value: string): Part => bytes(13, join(text(1, key), text(2, value)));
  return join(
    ...shape.map((dim) => int(1, dim)),
    int(2, ONNX_TYPE[type]),
    text(8, name),
    entry('location', at.location),
    entry('offset', String(at.offset)),
    entry('length', String(at.length)),
    int(14, 1),
  );
}

export function tinyNode(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  options: { domain?: string; ints?: Record<string, number>; graphs?: Record<string, Part> } = {},
): Part {
  const attributes = Object.entries(options.ints ?? {}).map(([name, value]) =>
    bytes(5, join(text(1, name), int(3, value), int(20, 2))),
  );
  const graphs = Object.entries(options.graphs ?? {}).map(([name, graph]) =>
    bytes(5, join(text(1, name), bytes(6, graph), int(20, 5))),
  );
  return join(
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...attributes,
    ...graphs,
    ...(options.domain === undefined ? [] : [text(7, options.domain)]),
  );
}

export interface TinyGraph {
  readonly inputs?: readonly Part[];
  readonly outputs: readonly Part[];
  readonly nodes: readonly Part[];
  readonly tensors?: readonly Part[];
}

export function tinyGraph(graph: TinyGraph): Part {
  return join(
    ...graph.nodes.map((node) => bytes(1, node)),
    text(2, 'tiny'),
    ...(graph.tensors ?? []).map((tensor) => bytes(5, tensor)),
    ...(graph.inputs ?? []).map((value) => bytes(11, value)),
    ...graph.outputs.map((value) => bytes(12, value)),
  );
}

/** A whole ModelProto. */
export function tinyModel(graph: TinyGraph, opset = 13): Uint8Array {
  return join(int(1, 8), bytes(8, join(text(1, ''), int(2, opset))), bytes(7, tinyGraph(graph)));
}

export function f32Bytes(values: ArrayLike<number>): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

export function i64Bytes(values: readonly (number | bigint)[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
}
