import { describe, expect, test } from 'vitest';
import { importable } from '../../../test/importable.ts';
import { build, f32, i64, node, type Recipe } from '../../../test/surgery/build.ts';
import * as P from '../../../test/formats/proto.ts';
import { modelOf, open, reopen, toLines } from '../../../test/surgery/graphs.ts';
import { openNodeRuntime } from '../../adapters/runtime/index.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import { foldConstants, type FoldReport } from '../index.ts';

const hasNode = await importable('onnxruntime-node');
const needs = hasNode ? '' : ' [needs onnxruntime-node]';

async function folded(recipe: Recipe, runtime?: Runtime): Promise<{ model: Model; report: FoldReport }> {
  const { edit, report } = await foldConstants(build(recipe), runtime === undefined ? {} : { runtime });
  return { model: reopen(edit), report };
}

/** Values of a constant. */
function read(model: Model, name: string): number[] {
  const tensor = model.graph!.tensors.get(name)!;
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return tensor.dtype === 'i64'
    ? Array.from(new BigInt64Array(bytes.buffer), Number)
    : [...new Float32Array(bytes.buffer)];
}

const x = { name: 'x', dtype: 'f32', shape: [2, 3, 4] } as const;

describe('our own arithmetic', () => {
  test('shape arithmetic becomes one constant; what only it read is gone', async () => {
    const { model, report } = await folded({
      inputs: [x],
      initializers: { zero: i64(0), rest: i64(-1) },
      nodes: [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'zero'], ['n']),
        node('Mul', ['n', 'n'], ['nn']),
        node('Concat', ['nn', 'rest'], ['target'], { axis: { int: 0 } }),
        node('Reshape', ['x', 'target'], ['y']),
      ],
      outputs: ['y'],
    });
    expect(toLines(model.graph)).toEqual(['y = Reshape(x,target)']);
    expect(read(model, 'target')).toEqual([4, -1]);
    expect(report).toMatchObject({ known: 1, computed: 0, bytes: 16, removedNodes: 3, removedInitializers: 2 });
  });

  test('of a symbolic dimension nothing is folded', async () => {
    const { model } = await folded({
      inputs: [{ ...x, shape: ['n', 3] }],
      nodes: [node('Shape', ['x'], ['s']), node('Reshape', ['x', 's'], ['y'])],
      outputs: ['y'],
    });
    expect(toLines(model.graph)).toEqual(['s = Shape(x)', 'y = Reshape(x,s)']);
  });

  test('floats are rounded as f32, integers divide towards zero', async () => {
    const { model } = await folded({
      inputs: [x],
      initializers: { a: f32([2], 0.1, 7), b: f32([2], 0.2, -2), c: i64(-7, 7), d: i64(2, -2) },
      nodes: [
        node('Add', ['a', 'b'], ['sum']),
        node('Div', ['c', 'd'], ['quotient']),
        node('Cast', ['sum'], ['cut'], { to: { int: 7 } }),
        node('Identity', ['sum'], ['p']),
      ],
      outputs: ['sum', 'quotient', 'cut'],
    });
    expect(read(model, 'sum')).toEqual([Math.fround(Math.fround(0.1) + Math.fround(0.2)), 5]);
    expect(read(model, 'quotient')).toEqual([-3, -3]);
    expect(read(model, 'cut')).toEqual([0, 5]);
  });

  test('an output of the graph stays a node, a Constant', async () => {
    const { model } = await folded({ inputs: [x], nodes: [node('Shape', ['x'], ['y'])], outputs: ['y'] });
    expect(toLines(model.graph)).toEqual(['y = Constant()']);
  });

  test('inside a branch too, where the names of the graph around are known', async () => {
    const branch = (name: string) => ({
      graph: {
        name,
        outputs: [{ name }],
        nodes: [node('Mul', ['s', 'two'], [`${name}d`]), node('Expand', ['one', `${name}d`], [name])],
      },
    });
    const { model, report } = await folded({
      inputs: [x, { name: 'c', dtype: 'bool', shape: [] }],
      initializers: { two: i64(2), one: f32([1], 1) },
      nodes: [
        node('Shape', ['x'], ['s']),
        node('If', ['c'], ['y'], { then_branch: branch('t'), else_branch: branch('e') }),
      ],
      outputs: ['y'],
    });
    expect(report.known).toBe(2);
    const branches = [...model.graph!.nodes[0].attributes.values()].flatMap((a) =>
      a.kind === 'graph' ? [toLines(a.graph)] : [],
    );
    expect(branches).toEqual([['t = Constant()'], ['e = Constant()']]);
  });
});

describe('never folded', () => {
  const kept = async (recipe: Recipe): Promise<string[]> =>
    toLines((await folded(recipe, hasNode ? await openNodeRuntime() : undefined)).model.graph);

  test('a default of an input, which callers may replace; below IR 4 it is a constant', async () => {
    const graph = P.join(
      P.node('Neg', ['d'], ['n']),
      P.node('Neg', ['n'], ['y']),
      P.initializer(P.tensor('d', P.CODE.f32, [1], P.raw(0, 0, 128, 63))),
      P.input('d'),
      P.output('y'),
    );
    const linesOf = async (ir: number): Promise<string[]> =>
      toLines(reopen((await foldConstants(open(modelOf({ ir }, graph)))).edit).graph);
    expect(await linesOf(8)).toEqual(['n = Neg(d)', 'y = Neg(n)']);
    expect(await linesOf(3)).toEqual(['y = Constant()']);
  });

  test('what quantises, so that runtimes find it', async () => {
    const initializers = {
      w: f32([2], 1, 2),
      s: { dtype: 'f32', shape: [], values: [0.5] },
      z: { dtype: 'i8', shape: [], values: [0] },
    } as const;
    const nodes = [
      node('QuantizeLinear', ['w', 's', 'z'], ['q']),
      node('DequantizeLinear', ['q', 's', 'z'], ['dq']),
      node('Add', ['x', 'dq'], ['y']),
    ];
    const inputs = [{ name: 'x', dtype: 'f32', shape: [2] }] as const;
    expect(await kept({ inputs, initializers, nodes, outputs: ['y'] })).toHaveLength(3);
  });

  test('what is random', async () => {
    const nodes = [node('RandomNormal', [], ['r'], { shape: { ints: [2, 3, 4] } }), node('Add', ['x', 'r'], ['y'])];
    expect(await kept({ inputs: [x], nodes, outputs: ['y'] })).toHaveLength(2);
  });

  test('a fill that would weigh more than the node that makes it', async () => {
    const nodes = [node('ConstantOfShape', ['s'], ['zeros']), node('MatMul', ['x', 'zeros'], ['y'])];
    expect(await kept({ inputs: [x], initializers: { s: i64(4, 5000) }, nodes, outputs: ['y'] })).toHaveLength(2);
    expect(await kept({ inputs: [x], initializers: { s: i64(4, 5) }, nodes, outputs: ['y'] })).toHaveLength(1);
  });
});

describe(`with a runtime${needs}`, () => {
  test.runIf(hasNode)('what we do not compute, a runtime does; the plan holds the result', async () => {
    const { model, report } = await folded(
      {
        inputs: [x],
        initializers: { w: f32([4], 0, 1, 2, 3) },
        nodes: [node('Exp', ['w'], ['e']), node('Softmax', ['e'], ['p']), node('Mul', ['x', 'p'], ['y'])],
        outputs: ['y'],
      },
      await openNodeRuntime(),
    );
    expect(toLines(model.graph)).toEqual(['y = Mul(x,p)']);
    expect(read(model, 'p').reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 6);
    expect(report).toMatchObject({
      known: 0,
      computed: 1,
      bytes: 16,
      removedNodes: 1,
      removedInitializers: 1,
      runtimeFailure: null,
    });
  });

  test.runIf(hasNode)('a node of which one output is read is folded as a whole', async () => {
    const { model } = await folded(
      {
        inputs: [x],
        initializers: { w: f32([4], 3, 1, 2, 0), k: i64(2) },
        nodes: [
          node('TopK', ['w', 'k'], ['v', 'i']),
          node('Exp', ['v'], ['e']),
          node('ReduceSum', ['e'], ['r']),
          node('Mul', ['x', 'r'], ['m']),
          node('Add', ['m', 'r'], ['y']),
        ],
        outputs: ['y', 'i'],
      },
      await openNodeRuntime(),
    );
    expect(toLines(model.graph)).toEqual(['i = Constant()', 'm = Mul(x,r)', 'y = Add(m,r)']);
  });

  test.runIf(hasNode)('a runtime that refuses leaves all as it was, and the report says so', async () => {
    const runtime: Runtime = { ...(await openNodeRuntime()) };
    const { model, report } = await folded(
      {
        inputs: [x],
        initializers: { w: f32([4], 0, 1, 2, 3) },
        nodes: [node('Det', ['w'], ['e']), node('Mul', ['x', 'e'], ['y'])],
        outputs: ['y'],
      },
      runtime,
    );
    expect(toLines(model.graph)).toHaveLength(2);
    expect(report).toMatchObject({ computed: 0, runtimeFailure: expect.stringMatching(/^RUNTIME_/) });
  });
});
