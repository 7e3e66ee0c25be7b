import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findCode, openBytes, runPlan } from '../../../test/formats/models.ts';
import * as P from '../../../test/formats/proto.ts';
import { type ErrorCode, SourceError } from '../../core/errors.ts';
import { decodeFloats } from '../../model/floats.ts';
import { decodeInts, type IntDType } from '../../model/ints.ts';
import { DTYPES, type DType } from '../../model/dtype.ts';
import type { Model, ModelEdit, TensorRef } from '../../model/types.ts';
import { openBufferSource } from '../../source/buffer.ts';
import type { SourceFolder } from '../../source/ports.ts';

const open = (bytes: Uint8Array, folder: SourceFolder | null = null): Model => openBytes(bytes, 'm.onnx', folder);
const openGraph = (...parts: P.Part[]): Model => open(P.model(P.join(...parts)));

function readAll(tensor: TensorRef): Uint8Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
}

function readNumbers(tensor: TensorRef): number[] {
  const values = new Float64Array(tensor.elementCount);
  if (DTYPES[tensor.dtype].kind === 'float') decodeFloats(tensor.dtype as 'f32', readAll(tensor), values);
  else decodeInts(tensor.dtype as IntDType, readAll(tensor), values);
  return [...values];
}

const packedInts = (number: number, ...values: (number | bigint)[]): P.Part =>
  P.len(number, ...values.map((value) => P.varint(value)));

describe('tensor storage', () => {
  test.each<[DType, P.Part, number[]]>([
    ['f32', P.len(4, new Uint8Array(Float32Array.of(1.5, -2).buffer)), [1.5, -2]],
    ['f32', P.join(P.f32(4, 1.5), P.f32(4, -2)), [1.5, -2]],
    ['f64', P.join(P.f64(10, 0.1), P.len(10, new Uint8Array(Float64Array.of(7).buffer))), [0.1, 7]],
    ['i32', packedInts(5, -1, 2147483647), [-1, 2147483647]],
    ['i16', P.join(P.int(5, -3), packedInts(5, 300)), [-3, 300]],
    ['i8', packedInts(5, -128, 127), [-128, 127]],
    ['u8', packedInts(5, 255, 0), [255, 0]],
    ['u16', packedInts(5, 65535, 1), [65535, 1]],
    ['bool', packedInts(5, 256, 0), [1, 0]],
    ['f16', packedInts(5, 0x3c00, 0xc000), [1, -2]],
    ['bf16', packedInts(5, 0x3f80, 0xc000), [1, -2]],
    ['f8e4m3fn', packedInts(5, 0x38, 0xb8), [1, -1]],
    ['u4', packedInts(5, 0xf1), [1, 15]],
    ['i4', packedInts(5, 0xf1), [1, -1]],
    ['u2', packedInts(5, 0x0e), [2, 3]],
    ['i2', packedInts(5, 0x0e), [-2, -1]],
    ['f4e2m1', packedInts(5, 0xa2), [1, -1]],
    ['i64', packedInts(7, -1n, 1n << 40n), [-1, 2 ** 40]],
    ['u32', packedInts(11, 4294967295, 7), [4294967295, 7]],
    ['u64', packedInts(11, 1n << 52n, 7), [2 ** 52, 7]],
  ])('%s in a typed field', (dtype, data, values) => {
    const model = openGraph(P.initializer(P.tensor('w', P.CODE[dtype as 'f32'], [2], data)));
    expect(model.tensors[0]).toMatchObject({ name: 'w', dtype, storage: 'typed', shape: [2] });
    expect(readNumbers(model.tensors[0])).toEqual(values);
    expect(model.graph?.tensors.get('w')).toBe(model.tensors[0]);
  });

  test('all 26 element types are sized', () => {
    for (const [dtype, code] of Object.entries(P.CODE)) {
      if (dtype === 'string') continue;
      const bytes = Math.ceil((8 * DTYPES[dtype as DType].bits) / 8);
      const model = openGraph(P.initializer(P.tensor('w', code, [2, 4], P.len(9, new Uint8Array(bytes)))));
      expect(model.tensors[0]).toMatchObject({ dtype, byteLength: bytes, storage: 'raw' });
    }
    const strings = openGraph(P.initializer(P.tensor('s', P.CODE.string, [2], P.str(6, 'ab'), P.str(6, ''))));
    expect(Buffer.from(readAll(strings.tensors[0])).toString('hex')).toBe('020000006162' + '00000000');
    const part = new Uint8Array(3);
    strings.tensors[0].read(5, part);
    expect([...part]).toEqual([0x62, 0, 0]);
  });

  test('a typed tensor reads the same at any offset and in any cut', () => {
    const values = Array.from({ length: 10_000 }, (_, i) => (i * 2654435761) % 65536);
    const pieces = [packedInts(5, ...values.slice(0, 6000)), ...values.slice(6000).map((value) => P.int(5, value))];
    const model = openGraph(P.initializer(P.tensor('w', P.CODE.f16, [10_000], ...pieces)));
    const whole = readAll(model.tensors[0]);
    expect(whole).toEqual(new Uint8Array(Uint16Array.from(values).buffer));
    fc.assert(
      fc.property(fc.nat(19_999), fc.nat(9000), (from, length) => {
        const part = new Uint8Array(Math.min(length, 20_000 - from));
        model.tensors[0].read(from, part);
        expect(part).toEqual(whole.slice(from, from + part.length));
      }),
    );
  });
});

describe('scopes', () => {
  const w = (name: string, value: number): P.Part => P.tensor(name, P.CODE.u8, [1], P.raw(value));
  const branch = P.join(
    P.initializer(w('w', 2)),
    P.node('Constant', [], ['c'], P.attribute('value', 4, P.len(5, w('', 3)))),
  );

  test('tensors of subgraphs, functions, training graphs and sparse initializers have paths', () => {
    const indices = P.tensor('', P.CODE.i64, [1], packedInts(7, 0));
    const model = open(
      P.model(
        P.join(
          P.initializer(w('w', 1)),
          P.node('If', ['x'], ['y'], P.attribute('then_branch', 5, P.len(6, branch))),
          P.len(15, P.len(1, w('s', 4)), P.len(2, indices), P.int(3, 9)),
        ),
        P.len(20, P.len(2, P.initializer(w('w', 5)))),
        P.len(
          25,
          P.len(7, P.str(1, 'x'), P.str(4, 'F'), P.attribute('v', 4, P.len(5, w('', 6)))),
          P.str(1, 'f'),
          P.str(10, 'd'),
        ),
      ),
    );
    expect(model.tensors.map((tensor) => [tensor.name, ...readAll(tensor)])).toEqual([
      ['w', 1],
      ['y.then_branch/w', 2],
      ['y.then_branch/c', 3],
      ['s.values', 4],
      ['s.indices', 0, 0, 0, 0, 0, 0, 0, 0],
      ['training_info[0].algorithm/w', 5],
      ['d::f/#0.v', 6],
    ]);
    const then = model.graph?.nodes[0].attributes.get('then_branch');
    expect(then?.kind === 'graph' && [...then.graph.tensors.keys()]).toEqual(['w', 'c']);
    expect(model.functions.get('d::f')?.nodes).toHaveLength(1);
    expect(model.opsets.get('')).toBe(18);
  });

  test('Constant nodes define tensors through every numeric attribute', () => {
    const model = openGraph(
      P.node('Constant', [], ['a'], P.attribute('value_float', 1, P.f32(2, 0.5))),
      P.node('Constant', [], ['b'], P.attribute('value_floats', 6, P.f32(7, 1), P.f32(7, 2))),
      P.node('Constant', [], ['c'], P.attribute('value_int', 2, P.int(3, -7))),
      P.node('Constant', [], ['d'], P.attribute('value_ints', 7, P.int(8, 1), P.int(8, -2))),
    );
    expect(model.tensors.map((tensor) => [tensor.name, tensor.shape, readNumbers(tensor)])).toEqual([
      ['a', [], [0.5]],
      ['b', [2], [1, 2]],
      ['c', [], [-7]],
      ['d', [2], [1, -2]],
    ]);
    expect(model.graph?.nodes[0].attributes.get('value_float')).toEqual({ kind: 'float', value: 0.5 });
    expect(model.graph?.nodes[3].attributes.get('value_ints')).toEqual({ kind: 'ints', values: [1n, -2n] });
  });

  test('a node that is called like a path does not collide', () => {
    const model = openGraph(
      P.initializer(w('y.then_branch/w', 1)),
      P.node('If', ['x'], ['y'], P.attribute('then_branch', 5, P.len(6, P.initializer(w('w', 2))))),
    );
    expect(model.tensors.map(({ name }) => name)).toEqual(['y.then_branch/w', 'y.then_branch/w~2']);
  });

  test('50,000 nodes of one name are numbered, in linear time', () => {
    const scalar = P.attribute('v', 4, P.len(5, P.tensor('', P.CODE.u8, [0])));
    const many = Buffer.concat(new Array<P.Part>(50_000).fill(P.node('X', [], [], P.str(3, 'n'), scalar)));
    const { tensors } = open(P.model(many));
    expect([tensors[0].name, tensors[1].name, tensors[49_999].name]).toEqual(['n.v', 'n.v~2', 'n.v~50000']);
  });

  test('initializers that old files list as inputs are not fed', () => {
    const model = openGraph(P.input('x'), P.input('w'), P.initializer(w('w', 1)), P.output('y'));
    expect(model.graph?.inputs.map(({ name }) => name)).toEqual(['x']);
  });

  test('"ai.onnx" is the default domain, in nodes and imports', () => {
    const model = open(
      P.model(P.node('Relu', ['x'], ['y'], P.str(7, 'ai.onnx')), P.len(8, P.str(1, 'ai.onnx'), P.int(2, 18))),
    );
    expect(model.graph?.nodes[0].domain).toBe('');
    expect([...model.opsets]).toEqual([['', 18]]);
  });
});

const one = (...data: P.Part[]): Uint8Array => P.model(P.initializer(P.tensor('w', P.CODE.f32, [1], ...data)));
const nested = (depth: number): P.Part => {
  let graph: P.Part = P.str(2, 'inner');
  for (let i = 0; i < depth; i++) graph = P.node('If', [], [], P.attribute('b', 5, P.len(6, graph)));
  return graph;
};
const fn = (name: string, callee: string): P.Part =>
  P.len(25, P.str(1, name), P.str(10, 'd'), P.len(7, P.str(4, callee), P.str(7, 'd')));

describe('refusals', () => {
  test.each<[ErrorCode, string, Uint8Array]>([
    ['ONNX_WIRE', 'field number 0', Uint8Array.of(0)],
    ['ONNX_WIRE', 'wire type 6', Uint8Array.of(0x0e)],
    ['ONNX_WIRE', 'end of no group', Uint8Array.of(0x0c)],
    ['ONNX_WIRE', 'end of another group', Uint8Array.of(0x0b, 0x14)],
    ['ONNX_WIRE', 'varint of eleven bytes', Uint8Array.of(0x08, ...new Array<number>(10).fill(0x80), 0)],
    ['ONNX_WIRE', 'packed floats that are not whole', one(P.len(4, Uint8Array.of(1, 2, 3)))],
    ['ONNX_TRUNCATED', 'length beyond the file', Uint8Array.of(0x3a, 0x05, 0x00)],
    ['ONNX_TRUNCATED', 'length of 2^63', P.join(P.tag(7, 2), P.varint(1n << 63n))],
    ['ONNX_TRUNCATED', 'cut varint', Uint8Array.of(0x08, 0x80)],
    [
      'ONNX_TRUNCATED',
      'inner field beyond its message',
      P.join(P.len(7, Uint8Array.of(0x12, 0x09)), P.str(2, 'pad pad pad')),
    ],
    ['ONNX_DEPTH', '34 nested If', P.model(nested(34))],
    ['ONNX_DEPTH', 'nested groups', Uint8Array.from(new Array<number>(200).fill(0x0b))],
    ['ONNX_NO_GRAPH', 'empty file', new Uint8Array(0)],
    ['ONNX_BUDGET', 'a name of 1 MiB', P.model(P.node('x'.repeat(1024 * 1024 + 1), [], []))],
    ['ONNX_DTYPE', 'code 0', P.model(P.initializer(P.tensor('w', 0, [1])))],
    ['ONNX_DTYPE', 'code 27', P.model(P.initializer(P.tensor('w', 27, [1])))],
    ['ONNX_DTYPE', 'negative code', P.model(P.initializer(P.tensor('w', -1, [1])))],
    ['ONNX_DIMENSIONS', 'negative', P.model(P.initializer(P.tensor('w', 1, [-1])))],
    ['ONNX_DIMENSIONS', 'overflow', P.model(P.initializer(P.tensor('w', 1, [2 ** 40, 2 ** 40])))],
    ['ONNX_DIMENSIONS', 'too many', P.model(P.initializer(P.tensor('w', 1, new Array<number>(65).fill(1))))],
    ['ONNX_STORAGE', 'float_data beside raw_data', one(P.raw(0, 0, 0, 0), P.f32(4, 1))],
    ['ONNX_STORAGE', 'int64_data beside raw_data', one(P.raw(0, 0, 0, 0), P.int(7, 1))],
    ['ONNX_STORAGE', 'external beside raw_data', one(P.raw(0, 0, 0, 0), P.external({ location: 'w.bin' }))],
    ['ONNX_STORAGE', 'floats in int32_data', one(P.int(5, 1))],
    ['ONNX_STORAGE', 'strings in raw_data', P.model(P.initializer(P.tensor('s', P.CODE.string, [1], P.raw(1))))],
    ['ONNX_TENSOR_SIZE', 'raw too short', one(P.raw(0, 0, 0))],
    ['ONNX_TENSOR_SIZE', 'raw too long', one(P.raw(0, 0, 0, 0, 0))],
    ['ONNX_TENSOR_SIZE', 'no data', one()],
    ['ONNX_TENSOR_SIZE', 'float_data', one(P.f32(4, 1), P.f32(4, 1))],
    ['ONNX_TENSOR_SIZE', 'double_data', P.model(P.initializer(P.tensor('w', P.CODE.f64, [2], P.f64(10, 1))))],
    ['ONNX_TENSOR_SIZE', 'int32_data', P.model(P.initializer(P.tensor('w', P.CODE.i32, [2], P.int(5, 1))))],
    ['ONNX_TENSOR_SIZE', 'int32_data of packed i4', P.model(P.initializer(P.tensor('w', P.CODE.i4, [3], P.int(5, 1))))],
    ['ONNX_TENSOR_SIZE', 'int64_data', P.model(P.initializer(P.tensor('w', P.CODE.i64, [], P.int(7, 1), P.int(7, 1))))],
    ['ONNX_TENSOR_SIZE', 'uint64_data', P.model(P.initializer(P.tensor('w', P.CODE.u64, [2], P.int(11, 1))))],
    ['ONNX_TENSOR_SIZE', 'string_data', P.model(P.initializer(P.tensor('w', P.CODE.string, [2], P.str(6, 'a'))))],
    ['ONNX_SEGMENT', 'segment', one(P.raw(0, 0, 0, 0), P.len(3, P.int(1, 0)))],
    ['ONNX_SPARSE', 'no indices', P.model(P.len(15, P.len(1, P.tensor('s', P.CODE.u8, [1], P.raw(1)))))],
    [
      'ONNX_SPARSE',
      'indices of floats',
      P.model(P.len(15, P.len(1, P.tensor('s', 2, [1], P.raw(1))), P.len(2, P.tensor('', 1, [0])))),
    ],
    ['ONNX_EXTERNAL', 'no location', one(P.external({ offset: '0' }))],
    ['ONNX_EXTERNAL', 'negative offset', one(P.external({ location: 'w.bin', offset: '-1' }))],
    ['ONNX_EXTERNAL', 'giant length', one(P.external({ location: 'w.bin', length: '99999999999999999999' }))],
    ['ONNX_EXTERNAL', 'the model itself', one(P.external({ location: './m.onnx' }))],
    ['ONNX_EXTERNAL', 'location twice', one(P.external({ location: 'a' }), P.external({ location: 'b' }))],
    ['FORMAT_FOLDER_MISSING', 'no folder', one(P.external({ location: 'w.bin' }))],
    ['ONNX_ATTRIBUTE', 'type 15', P.model(P.node('X', [], [], P.attribute('a', 15)))],
    [
      'ONNX_ATTRIBUTE',
      'a float declared, an int given',
      P.model(P.node('X', [], [], P.attribute('a', 1, P.int(3, 1)))),
    ],
    ['ONNX_ATTRIBUTE', 'two contents', P.model(P.node('X', [], [], P.attribute('a', 1, P.f32(2, 1), P.str(4, 'x'))))],
    ['ONNX_ATTRIBUTE', 'no type, no content', P.model(P.node('X', [], [], P.attribute('a', 0)))],
    ['ONNX_ATTRIBUTE', 'a tensor that is missing', P.model(P.node('X', [], [], P.attribute('a', 4)))],
    [
      'ONNX_ATTRIBUTE',
      'a reference with content',
      P.model(P.node('X', [], [], P.attribute('a', 1, P.f32(2, 1), P.str(21, 'r')))),
    ],
    ['ONNX_NAME', 'attribute', P.model(P.node('X', [], [], P.attribute('', 1, P.f32(2, 1))))],
    ['ONNX_NAME', 'initializer', P.model(P.initializer(P.tensor('', P.CODE.u8, [1], P.raw(1))))],
    ['ONNX_NAME', 'function', P.model(P.str(2, 'g'), P.len(25, P.str(10, 'd')))],
    [
      'ONNX_DUPLICATE_NAME',
      'initializers',
      P.model(P.join(P.initializer(P.tensor('w', 2, [0])), P.initializer(P.tensor('w', 2, [0])))),
    ],
    [
      'ONNX_DUPLICATE_NAME',
      'attributes',
      P.model(P.node('X', [], [], P.attribute('a', 2, P.int(3, 1)), P.attribute('a', 2, P.int(3, 2)))),
    ],
    ['ONNX_DUPLICATE_NAME', 'functions', P.model(P.str(2, 'g'), fn('f', 'x'), fn('f', 'y'))],
    [
      'ONNX_DUPLICATE_NAME',
      'a Constant over an initializer',
      P.model(
        P.join(
          P.initializer(P.tensor('w', 2, [0])),
          P.node('Constant', [], ['w'], P.attribute('value_int', 2, P.int(3, 1))),
        ),
      ),
    ],
    ['ONNX_OPSET', 'two versions', P.model(P.str(2, 'g'), P.len(8, P.str(1, 'ai.onnx'), P.int(2, 17)))],
    ['ONNX_FUNCTION_RECURSION', 'itself', P.model(P.str(2, 'g'), fn('f', 'f'))],
    ['ONNX_FUNCTION_RECURSION', 'in a circle', P.model(P.str(2, 'g'), fn('f', 'g'), fn('g', 'h'), fn('h', 'f'))],
    [
      'ONNX_FUNCTION_RECURSION',
      'inside a subgraph',
      P.model(
        P.str(2, 'g'),
        P.len(
          25,
          P.str(1, 'f'),
          P.str(10, 'd'),
          P.len(7, P.str(4, 'If'), P.attribute('b', 5, P.len(6, P.node('f', [], [], P.str(7, 'd'))))),
        ),
      ),
    ],
  ])('%s: %s', (code, _, bytes) => {
    expect(findCode(() => open(bytes))).toBe(code);
  });

  test('a chain of functions that meet again is no recursion', () => {
    const model = open(P.model(P.str(2, 'g'), fn('a', 'c'), fn('b', 'c'), fn('c', 'Relu')));
    expect([...model.functions.keys()]).toEqual(['d::a', 'd::b', 'd::c']);
  });

  test('33 nested If are read: the depth that runtimes read', () => {
    expect(findCode(() => open(P.model(nested(33))))).toBeUndefined();
  });

  test('index memory is bounded: many small nodes in a small file', () => {
    const many = Buffer.concat(new Array<P.Part>(300_000).fill(P.node('', ['', '', '', '', '', ''], [''])));
    expect(findCode(() => open(P.model(many)))).toBe('ONNX_BUDGET');
  });
});

describe('external data', () => {
  const data = Uint8Array.from({ length: 16 }, (_, i) => i);
  const opened: string[] = [];
  const folder: SourceFolder = {
    label: 'test',
    open(name) {
      opened.push(name);
      if (name !== 'w.bin') throw new SourceError('SOURCE_NOT_FOUND');
      return openBufferSource(name, data);
    },
  };
  const openExternal = (entries: Record<string, string>): Model => open(one(P.external(entries)), folder);

  test('is read by offset; unknown keys, even those of objects, are ignored', () => {
    const model = openExternal({
      location: './w.bin',
      offset: '4',
      length: '4',
      __proto__x: '1',
      constructor: 'x',
      checksum: 'zz',
    });
    expect(model.tensors[0]).toMatchObject({ storage: 'external', fileIndex: 1, start: 4, end: 8 });
    expect([...readAll(model.tensors[0])]).toEqual([4, 5, 6, 7]);
    expect(model.files.map(({ name }) => name)).toEqual(['m.onnx', 'w.bin']);
    const plan = model.plan([{ kind: 'tensor', tensor: 'w', apply: (_, chunk) => void chunk.fill(9) }]);
    expect([...runPlan(plan, 1)]).toEqual([0, 1, 2, 3, 9, 9, 9, 9, 8, 9, 10, 11, 12, 13, 14, 15]);
  });

  test.each<[ErrorCode, Record<string, string>]>([
    ['ONNX_EXTERNAL_BOUNDS', { location: 'w.bin', offset: '13' }],
    ['ONNX_EXTERNAL_BOUNDS', { location: 'w.bin', offset: '9007199254740991' }],
    ['ONNX_TENSOR_SIZE', { location: 'w.bin', length: '16' }],
    ['FORMAT_DATA_MISSING', { location: 'v.bin' }],
  ])('%s (case %#)', (code, entries) => {
    expect(findCode(() => openExternal(entries))).toBe(code);
  });

  test('tied weights are read twice and edited once', () => {
    const part = (name: string, offset: string): P.Part =>
      P.initializer(P.tensor(name, P.CODE.u8, [4], P.external({ location: 'w.bin', offset })));
    const model = open(P.model(P.join(part('a', '0'), part('b', '2'))), folder);
    const edit = (tensor: string): ModelEdit => ({ kind: 'tensor', tensor, apply: (_, chunk) => void chunk.fill(0) });
    expect(findCode(() => model.plan([edit('b')]))).toBeUndefined();
    expect(findCode(() => model.plan([edit('b'), edit('a')]))).toBe('FORMAT_EDIT_CONFLICT');
  });

  test('two tensors of one file share one source', () => {
    opened.length = 0;
    const part = (name: string, location: string): P.Part =>
      P.initializer(P.tensor(name, P.CODE.u8, [1], P.external({ location })));
    open(P.model(P.join(part('a', 'w.bin'), part('b', './w.bin'))), folder);
    expect(opened).toEqual(['w.bin']);
  });
});
