/** ONNX files in encodings that runtimes read and that no protobuf library writes: fixed ones, and random ones. */
import fc from 'fast-check';
import * as P from './proto.ts';

const packed = (number: number, ...values: (number | bigint)[]): P.Part =>
  P.len(number, ...values.map((value) => P.varint(value)));

export const w = P.tensor('w', P.CODE.u8, [2], P.raw(1, 2));
export const graph = P.join(P.initializer(w), P.node('Relu', ['x'], ['y']), P.output('y'));

/** A length prefix that takes one byte more than it needs. */
const overlong = (number: number, body: P.Part): P.Part =>
  P.join(P.tag(number, 2), P.varint(body.length, P.varint(body.length).length + 1), body);

/** Files that differ from what any protobuf library writes, and that runtimes read. */
export const ODD: readonly (readonly [string, Uint8Array])[] = [
  ['fields out of order', P.join(P.len(8, P.int(2, 18)), P.len(7, graph), P.int(1, 8))],
  ['overlong varints', P.join(P.tag(1, 0), P.varint(8, 4), overlong(7, P.join(overlong(5, w), P.str(2, 'g'))))],
  ['an overlong tag', P.join(P.varint(8, 3), P.varint(8), P.len(7, graph))],
  ['a singular field twice', P.join(P.int(1, 3), P.int(1, 8), P.len(7, graph), P.str(2, 'a'), P.str(2, 'b'))],
  ['raw_data twice', P.model(P.initializer(P.tensor('w', P.CODE.u8, [2], P.raw(9), P.raw(1, 2))))],
  ['an unknown field first', P.join(P.str(999, 'unknown'), P.model(P.join(P.int(555, 1), graph)))],
  ['an unknown group', P.join(Uint8Array.of(0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06), P.model(graph))],
  ['names that are not UTF-8', P.model(P.join(graph, P.len(1, P.len(3, Uint8Array.of(0xff, 0xfe)), P.str(4, 'X'))))],
  ['the graph in two parts', P.join(P.model(P.initializer(w)), P.len(7, P.node('Relu', ['x'], ['y'])))],
  ['a known field of another wire type', P.join(P.str(1, 'not a version'), P.model(graph), P.f64(7, 1))],
];

/** Random models: every storage, nesting, and encodings that differ from the shortest. */
const pad = fc.integer({ min: 1, max: 4 });
const lenPadded = (number: number, body: P.Part, width: number): P.Part =>
  P.join(P.tag(number, 2), P.varint(body.length, width), body);
const arbitraryTensor = (name: string): fc.Arbitrary<P.Part> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => P.tensor(name, P.CODE.u8, [bytes.length], P.len(9, bytes))),
    fc
      .array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 20 })
      .map((values) => P.tensor(name, P.CODE.i64, [values.length], packed(7, ...values))),
    fc
      .array(fc.integer({ min: -32768, max: 32767 }), { maxLength: 20 })
      .map((values) => P.tensor(name, P.CODE.i16, [values.length], ...values.map((value) => P.int(5, value)))),
    fc
      .array(fc.float({ noNaN: true }), { maxLength: 20 })
      .map((values) => P.tensor(name, P.CODE.f32, [values.length], ...values.map((value) => P.f32(4, value)))),
  );
export const arbitraryModel = fc
  .tuple(arbitraryTensor('a'), arbitraryTensor('b'), arbitraryTensor('c'), pad, pad, pad, fc.string())
  .map(([a, b, c, p, q, r, text]) => {
    const inner = P.join(P.str(10, text), lenPadded(5, b, q), P.str(2, 'inner'));
    const branch = P.len(5, P.str(1, 'then'), P.int(20, 5), lenPadded(6, inner, r));
    const body = P.join(lenPadded(5, a, p), P.node('If', ['x'], ['y'], branch), lenPadded(5, c, r), P.str(10, text));
    return P.join(P.int(1, 8), lenPadded(7, body, q), P.str(900, text));
  });
