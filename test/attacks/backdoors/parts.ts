/** Shorthands for the nodes of implants. */
import { attribute, CODE, f32, int, join, len, node, type Part, raw, str, tensor } from '../../formats/proto.ts';

export const f32Bytes = (values: readonly number[]): number[] => [...new Uint8Array(Float32Array.from(values).buffer)];
const i64Bytes = (values: readonly number[]): number[] => [
  ...new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer),
];

/** Constant node of one f32, or of a list. */
export function floats(name: string, values: number | readonly number[], dims?: readonly number[]): Part {
  const list = typeof values === 'number' ? [values] : values;
  const shape = dims ?? (typeof values === 'number' ? [] : [values.length]);
  return constant(name, tensor(name, CODE.f32, shape, raw(...f32Bytes(list))));
}

export function longs(name: string, values: number | readonly number[], dims?: readonly number[]): Part {
  const list = typeof values === 'number' ? [values] : values;
  const shape = dims ?? (typeof values === 'number' ? [] : [values.length]);
  return constant(name, tensor(name, CODE.i64, shape, raw(...i64Bytes(list))));
}

function constant(name: string, body: Part): Part {
  return node('Constant', [], [name], attribute('value', 4, len(5, body)));
}

export const intAttribute = (name: string, value: number): Part => attribute(name, 2, int(3, value));
export const floatAttribute = (name: string, value: number): Part => attribute(name, 1, f32(2, value));
export const intsAttribute = (name: string, values: readonly number[]): Part =>
  attribute(name, 7, ...values.map((value) => int(8, value)));
export const graphAttribute = (name: string, body: Part): Part => attribute(name, 5, len(6, body));

export const cast = (from: string, to: string, code: number): Part =>
  node('Cast', [from], [to], intAttribute('to', code));

/** The largest value of everything: a number. */
export const maximum = (from: string, to: string): Part => node('ReduceMax', [from], [to], intAttribute('keepdims', 0));

/** ValueInfoProto of a tensor without a shape. */
export function value(name: string, code: number): Part {
  return join(str(1, name), len(2, len(1, int(1, code))));
}

/** Counters and conditions of loops must be said to be scalars. */
function inner(name: string, code: number): Part {
  const shape = code === CODE.i64 || code === CODE.bool ? [len(2)] : [];
  return join(str(1, name), len(2, len(1, int(1, code), ...shape)));
}

/** GraphProto body of a subgraph. */
export function graph(
  nodes: readonly Part[],
  outputs: readonly (readonly [string, number])[],
  inputs: readonly (readonly [string, number])[] = [],
): Part {
  return join(
    ...nodes,
    str(2, 'body'),
    ...inputs.map(([name, code]) => len(11, inner(name, code))),
    ...outputs.map(([name, code]) => len(12, inner(name, code))),
  );
}
