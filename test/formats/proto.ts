/** A protobuf writer for tests, and ONNX messages made with it. It shares no code with the reader under test. */

export type Part = Uint8Array;

export function varint(value: number | bigint, widthMin = 1): Part {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  } while (rest > 0n || out.length < widthMin);
  out[out.length - 1] &= 0x7f;
  return Uint8Array.from(out);
}

export function join(...parts: readonly Part[]): Part {
  return new Uint8Array(Buffer.concat(parts));
}

export function tag(number: number, wire: number): Part {
  return varint((number << 3) | wire);
}

/** A length-delimited field. */
export function len(number: number, ...parts: readonly Part[]): Part {
  const body = join(...parts);
  return join(tag(number, 2), varint(body.length), body);
}

export function str(number: number, text: string): Part {
  return len(number, Buffer.from(text, 'utf8'));
}

export function int(number: number, value: number | bigint): Part {
  return join(tag(number, 0), varint(value));
}

export function f32(number: number, value: number): Part {
  return join(tag(number, 5), new Uint8Array(Float32Array.of(value).buffer));
}

export function f64(number: number, value: number): Part {
  return join(tag(number, 1), new Uint8Array(Float64Array.of(value).buffer));
}

/** ONNX element type codes. */
export const CODE = {
  f32: 1,
  u8: 2,
  i8: 3,
  u16: 4,
  i16: 5,
  i32: 6,
  i64: 7,
  string: 8,
  bool: 9,
  f16: 10,
  f64: 11,
  u32: 12,
  u64: 13,
  c64: 14,
  c128: 15,
  bf16: 16,
  f8e4m3fn: 17,
  f8e4m3fnuz: 18,
  f8e5m2: 19,
  f8e5m2fnuz: 20,
  u4: 21,
  i4: 22,
  f4e2m1: 23,
  f8e8m0: 24,
  u2: 25,
  i2: 26,
} as const;

/** Body of a TensorProto. */
export function tensor(name: string, code: number, dims: readonly number[], ...data: readonly Part[]): Part {
  return join(...dims.map((dim) => int(1, dim)), int(2, code), str(8, name), ...data);
}

export function raw(...bytes: number[]): Part {
  return len(9, Uint8Array.from(bytes));
}

/** external_data entries and data_location = EXTERNAL. */
export function external(entries: Readonly<Record<string, string>>): Part {
  return join(...Object.entries(entries).map(([key, value]) => len(13, str(1, key), str(2, value))), int(14, 1));
}

/** GraphProto fields. */
export const initializer = (body: Part): Part => len(5, body);
export const input = (name: string): Part => len(11, str(1, name));
export const output = (name: string): Part => len(12, str(1, name));

export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ...rest: readonly Part[]
): Part {
  return len(1, ...inputs.map((name) => str(1, name)), ...outputs.map((name) => str(2, name)), str(4, op), ...rest);
}

export function attribute(name: string, type: number, ...content: readonly Part[]): Part {
  return len(5, str(1, name), int(20, type), ...content);
}

/** A whole ModelProto around the body of a graph. */
export function model(graph: Part, ...rest: readonly Part[]): Part {
  return join(int(1, 8), str(2, 'test'), len(7, graph), len(8, int(2, 18)), ...rest);
}
