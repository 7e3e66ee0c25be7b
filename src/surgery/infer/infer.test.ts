import { describe, expect, test } from 'vitest';
import { build, f32, i64, node, type Recipe, toDocument } from '../../../test/surgery/build.ts';
import { modelOf, open } from '../../../test/surgery/graphs.ts';
import * as P from '../../../test/formats/proto.ts';
import { readGraphDocument } from '../../formats/index.ts';
import type { TensorRef } from '../../model/types.ts';
import { inferDocument, inferModel, type InferOptions } from '../index.ts';

const x = { name: 'x', dtype: 'f32', shape: ['batch', 3, 8, 8] } as const;

/** Type and shape of one value, as "f32[batch, 3]". */
function typeOf(recipe: Recipe, value: string, options: InferOptions = {}): string {
  const document = toDocument(recipe);
  const type = inferDocument(document, options).scopes.get(document.graph)!.get(value);
  if (type?.kind !== 'tensor') return type?.kind ?? 'absent';
  return `${type.dtype ?? '?'}${type.shape === null ? '' : `[${type.shape.map((dim) => dim ?? '?').join(', ')}]`}`;
}

const findings = (recipe: Recipe): string[] =>
  inferDocument(toDocument(recipe)).findings.map(({ rule, node: at }) => `${rule} ${at}`);

describe('symbolic dimensions', () => {
  test('pass through what does not change them, and a window that keeps the length', () => {
    const recipe: Recipe = {
      inputs: [{ name: 'x', dtype: 'f32', shape: ['n', 3, 'h', 8] }],
      initializers: { w: f32([4, 3, 3, 3], ...new Array<number>(108).fill(0)) },
      nodes: [node('Conv', ['x', 'w'], ['c'], { pads: { ints: [1, 1, 1, 1] } }), node('Relu', ['c'], ['y'])],
      outputs: ['y'],
    };
    expect(typeOf(recipe, 'y')).toBe('f32[n, 4, h, 8]');
    expect(typeOf(recipe, 'y', { dims: new Map([['h', 10]]) })).toBe('f32[n, 4, 10, 8]');
    expect(typeOf(recipe, 'y', { inputShapes: new Map([['x', [2, 3, 5, 5]]]) })).toBe('f32[2, 4, 5, 5]');
  });

  test('survive Shape, Gather, Concat and Reshape, and cancel in -1', () => {
    const nodes = [
      node('Shape', ['x'], ['s']),
      node('Gather', ['s', 'zero'], ['n'], { axis: { int: 0 } }),
      node('Concat', ['n', 'rest'], ['target'], { axis: { int: 0 } }),
      node('Reshape', ['x', 'target'], ['y']),
    ];
    const recipe: Recipe = { inputs: [x], initializers: { zero: i64(0), rest: i64(-1, 8) }, nodes, outputs: ['y'] };
    expect(typeOf(recipe, 'y')).toBe('f32[batch, 24, 8]');
  });

  test('are not said to be equal when nobody says so', () => {
    const inputs = [
      { name: 'a', dtype: 'f32', shape: ['n', 2] },
      { name: 'b', dtype: 'f32', shape: ['m', 2] },
    ] as const;
    expect(typeOf({ inputs, nodes: [node('Add', ['a', 'b'], ['y'])], outputs: ['y'] }, 'y')).toBe('f32[?, 2]');
  });

  test('a mask of the idiom Where(shape == -1, …) is followed: a dimension is never negative', () => {
    const nodes = [
      node('Shape', ['x'], ['s']),
      node('Equal', ['s', 'minus'], ['is']),
      node('Where', ['is', 'ones', 's'], ['target']),
      node('Expand', ['one', 'target'], ['y']),
    ];
    const initializers = { minus: i64(-1), ones: i64(1, 1, 1, 1), one: f32([1], 1) };
    expect(typeOf({ inputs: [x], initializers, nodes, outputs: ['y'] }, 'y')).toBe('f32[batch, 3, 8, 8]');
  });
});

describe('what is not known stays unknown', () => {
  test('an operator without a rule, and all that hangs on it', () => {
    const document = toDocument({
      inputs: [x],
      nodes: [{ op: 'Mystery', inputs: ['x'], outputs: ['m'] }, node('Relu', ['m'], ['y'])],
      outputs: ['y'],
    });
    const inference = inferDocument(document);
    expect(inference.scopes.get(document.graph)!.get('y')).toMatchObject({ dtype: null, shape: null });
    expect([...inference.unknownOperators]).toEqual([['::Mystery', 1]]);
  });

  test('unless the file declares it', () => {
    const outputs = [{ name: 'y', dtype: 'f32', shape: [1, 'k'] }] as const;
    const recipe: Recipe = { inputs: [x], nodes: [node('Mystery', ['x'], ['y'])], outputs };
    expect(typeOf(recipe, 'y')).toBe('f32[1, k]');
    expect(typeOf(recipe, 'y', { declared: 'inputs' })).toBe('?');
  });

  test('a shape that is the default of an input: callers may feed another', () => {
    const graph = P.join(
      P.node('Reshape', ['x', 'target'], ['y']),
      P.initializer(P.tensor('target', P.CODE.i64, [1], P.raw(255, 255, 255, 255, 255, 255, 255, 255))),
      P.input('x'),
      P.input('target'),
      P.output('y'),
    );
    const shapeOf = (ir: number): unknown => {
      const types = [...inferModel(open(modelOf({ ir }, graph))).scopes.values()][0];
      return types.get('y');
    };
    expect(shapeOf(8)).toMatchObject({ shape: null });
    expect(shapeOf(3)).toMatchObject({ shape: [null] });
  });

  test('dimensions that cannot be, from a hostile file, neither throw nor are believed', () => {
    const nodes = [
      node('ConstantOfShape', ['huge'], ['a']),
      node('Tile', ['x', 'negative'], ['b']),
      node('Split', ['x', 'negative'], ['c', 'd', 'e', 'f']),
      node('Expand', ['x', 'huge'], ['g']),
    ];
    const initializers = { huge: i64(2 ** 40, 2 ** 40, 2 ** 40, 1), negative: i64(-5, -5, -5, -5) };
    const recipe: Recipe = { inputs: [x], initializers, nodes, outputs: ['a', 'b', 'c', 'g'] };
    expect(typeOf(recipe, 'b')).toBe('f32[?, ?, ?, ?]');
    expect(typeOf(recipe, 'c')).toBe('f32[?, 3, 8, 8]');
    expect(findings(recipe)).toEqual(['broadcast g', 'broadcast g']);
  });
});

describe('conflicts are findings', () => {
  const add = [node('Add', ['x', 'w'], ['y'])];

  test.each<[string, Recipe]>([
    ['broadcast y', { inputs: [x], initializers: { w: f32([5], 0, 0, 0, 0, 0) }, nodes: add, outputs: ['y'] }],
    ['dtype y', { inputs: [x], initializers: { w: i64(1) }, nodes: add, outputs: ['y'] }],
    [
      'dimension y',
      {
        inputs: [x],
        initializers: { w: f32([2, 1], 0, 0) },
        nodes: [node('MatMul', ['x', 'w'], ['y'])],
        outputs: ['y'],
      },
    ],
    [
      'elements y',
      {
        inputs: [{ name: 'x', dtype: 'f32', shape: [2, 3] }],
        initializers: { s: i64(4, 2) },
        nodes: [node('Reshape', ['x', 's'], ['y'])],
        outputs: ['y'],
      },
    ],
    ['axis y', { inputs: [x], nodes: [node('Concat', ['x', 'x'], ['y'], { axis: { int: 7 } })], outputs: ['y'] }],
    [
      'rank y',
      {
        inputs: [x],
        nodes: [node('DepthToSpace', ['v'], ['y']), node('Flatten', ['x'], ['v'])].reverse(),
        outputs: ['y'],
      },
    ],
    [
      'declared y',
      { inputs: [x], nodes: [node('Relu', ['x'], ['y'])], outputs: [{ name: 'y', dtype: 'f32', shape: [1, 4, 8, 8] }] },
    ],
  ])('%s', (expected, recipe) => {
    expect(findings(recipe)).toEqual([expected]);
  });
});

describe('control flow', () => {
  const body = (then: readonly number[]): NonNullable<Recipe['nodes'][number]['attributes']> => ({
    then_branch: {
      graph: {
        name: 't',
        outputs: [{ name: 't' }],
        nodes: [node('Reshape', ['x', 'ts'], ['t'])],
        initializers: { ts: i64(...then) },
      },
    },
    else_branch: { graph: { name: 'e', outputs: [{ name: 'e' }], nodes: [node('Relu', ['x'], ['e'])] } },
  });

  test('after an If holds what holds of both branches', () => {
    const inputs = [
      { name: 'x', dtype: 'f32', shape: [4, 6] },
      { name: 'c', dtype: 'bool', shape: [] },
    ] as const;
    const of = (shape: readonly number[]): Recipe => ({
      inputs,
      nodes: [node('If', ['c'], ['y'], body(shape))],
      outputs: ['y'],
    });
    expect(typeOf(of([4, 6]), 'y')).toBe('f32[4, 6]');
    expect(typeOf(of([3, 8]), 'y')).toBe('f32[?, ?]');
    expect(typeOf(of([24]), 'y')).toBe('f32');
  });

  test('a value that grows from turn to turn keeps what stays, and what is collected gets an axis', () => {
    const graph = {
      name: 'body',
      inputs: [{ name: 'i' }, { name: 'go' }, { name: 'v' }],
      outputs: [{ name: 'more' }, { name: 'grown' }, { name: 'part' }],
      nodes: [
        node('Identity', ['go'], ['more']),
        node('Concat', ['v', 'x'], ['grown'], { axis: { int: 0 } }),
        node('Relu', ['x'], ['part']),
      ],
    };
    const recipe: Recipe = {
      inputs: [{ name: 'x', dtype: 'f32', shape: [1, 6] }],
      initializers: { n: { dtype: 'i64', shape: [], values: [3] } },
      nodes: [node('Loop', ['n', '', 'x'], ['last', 'all'], { body: { graph } })],
      outputs: ['last', 'all'],
    };
    expect(typeOf(recipe, 'last')).toBe('f32[?, 6]');
    expect(typeOf(recipe, 'all')).toBe('f32[?, 1, 6]');
  });
});

/** A node of a FunctionProto. */
const inFunction = (op: string, input: string, output: string, ...rest: readonly P.Part[]): P.Part =>
  P.len(7, P.str(1, input), P.str(2, output), P.str(4, op), ...rest);

test('a function is inferred for each call, with the attributes of the call', () => {
  const call = (input: string, out: string, axis: number): P.Part =>
    P.node('Fold', [input], [out], P.str(7, 'my'), P.attribute('at', 2, P.int(3, axis)));
  const input = P.len(
    11,
    P.str(1, 'x'),
    P.len(2, P.len(1, P.int(1, 1), P.len(2, ...[2, 3, 4].map((d) => P.len(1, P.int(1, d)))))),
  );
  const graph = P.join(call('x', 'a', 1), call('x', 'b', 2), input, P.output('a'), P.output('b'));
  const reference = P.len(5, P.str(1, 'axis'), P.int(20, 2), P.str(21, 'at'));
  const fn = P.len(
    25,
    P.str(1, 'Fold'),
    P.str(4, 'i'),
    P.str(5, 'o'),
    P.str(6, 'at'),
    inFunction('Flatten', 'i', 'o', reference),
    P.len(9, P.int(2, 18)),
    P.str(10, 'my'),
  );
  const model = open(modelOf({ opsets: { '': 18, my: 1 } }, graph, fn));
  const inference = inferModel(model);
  const types = [...inference.scopes.values()][0];
  expect([...inference.unknownOperators]).toEqual([]);
  expect(types.get('a')).toMatchObject({ dtype: 'f32', shape: [2, 12] });
  expect(types.get('b')).toMatchObject({ dtype: 'f32', shape: [6, 4] });
});

test('functions that call each other twice end by the budget, with a finding', () => {
  const fn = (i: number): P.Part =>
    P.len(
      25,
      P.str(1, `f${i}`),
      P.str(4, 'i'),
      P.str(5, 'o'),
      ...['u', 'o'].map((out, at) => {
        const input = at === 0 ? 'i' : 'u';
        return i === 30 ? inFunction('Relu', input, out) : inFunction(`f${i + 1}`, input, out, P.str(7, 'my'));
      }),
      P.len(9, P.int(2, 18)),
      P.len(9, P.str(1, 'my'), P.int(2, 1)),
      P.str(10, 'my'),
    );
  const graph = P.join(P.node('f0', ['x'], ['y'], P.str(7, 'my')), P.input('x'), P.output('y'));
  const model = open(modelOf({ opsets: { '': 18, my: 1 } }, graph, ...Array.from({ length: 31 }, (_, i) => fn(i))));
  expect(inferModel(model).findings.map(({ rule }) => rule)).toEqual(['budget']);
});

const toWatched = (tensor: TensorRef, read: string[]): TensorRef => ({
  ...tensor,
  read: (offset, into) => {
    read.push(tensor.name);
    tensor.read(offset, into);
  },
});

test('weights are not read: only small constants that shapes hang on', () => {
  const model = build({
    inputs: [x],
    initializers: { w: f32([4, 3, 1, 1], ...new Array<number>(12).fill(1)), s: i64(0, -1) },
    nodes: [node('Conv', ['x', 'w'], ['c']), node('Reshape', ['c', 's'], ['y'])],
    outputs: ['y'],
  });
  const read: string[] = [];
  const document = readGraphDocument(model);
  const initializers = document.graph.initializers.map((initializer) => ({
    ...initializer,
    tensor: toWatched(initializer.tensor!, read),
  }));
  inferDocument({ ...document, graph: { ...document.graph, initializers } });
  expect(read).toEqual(['s']);
});
