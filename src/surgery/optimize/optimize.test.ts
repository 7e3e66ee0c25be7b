import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { importable } from '../../../test/importable.ts';
import { build, f32, node, type Recipe } from '../../../test/surgery/build.ts';
import { chain, open, reopen, toLines } from '../../../test/surgery/graphs.ts';
import { openNodeRuntime } from '../../adapters/runtime/index.ts';
import type { TensorRef } from '../../model/types.ts';
import { findSampleFeeds, optimizeGraph, type OptimizeOptions, type OptimizeReport, type PassId } from '../index.ts';

const hasNode = await importable('onnxruntime-node');
const needs = hasNode ? '' : ' [needs onnxruntime-node]';

interface Result {
  readonly lines: readonly string[];
  readonly report: OptimizeReport;
  readonly tensors: ReadonlyMap<string, TensorRef>;
  readonly inputs: readonly (string | null)[];
  readonly outputs: readonly (string | null)[];
}

/** One pass over a recipe, with the outputs compared when a runtime is there. */
async function pass(recipe: Recipe, passes: readonly PassId[], options: OptimizeOptions = {}): Promise<Result> {
  const model = build(recipe);
  const feeds = [0, 1].map((index) => findSampleFeeds(model.graph!.inputs, { index })!);
  const run = hasNode ? { runtime: await openNodeRuntime(), feeds } : {};
  const { edit, report } = await optimizeGraph(model, { passes, ...run, ...options });
  const { graph } = reopen(edit);
  const { tensors, inputs, outputs } = graph!;
  return {
    lines: toLines(graph),
    report,
    tensors,
    inputs: inputs.map(({ dtype }) => dtype),
    outputs: outputs.map(({ dtype }) => dtype),
  };
}

/** Numbers that are spread, the same every time. */
const spread = (count: number, from = -1, to = 1): number[] =>
  Array.from({ length: count }, (_, i) => from + (to - from) * (((i + 1) * 0.618) % 1));

const x = (...shape: (number | string)[]) => [{ name: 'x', dtype: 'f32', shape }] as const;

describe(`BatchNormalization${needs}`, () => {
  const parameters = (count: number): NonNullable<Recipe['initializers']> => ({
    scale: f32([count], ...spread(count, 0.5, 2)),
    shift: f32([count], ...spread(count)),
    mean: f32([count], ...spread(count, -2, 2)),
    variance: f32([count], ...spread(count, 0.1, 3)),
  });
  const norm = node('BatchNormalization', ['c', 'scale', 'shift', 'mean', 'variance'], ['n'], {
    epsilon: { float: 1e-3 },
  });
  const outputs = [{ name: 'y', dtype: 'f32' }] as const;
  const relu = node('Relu', ['n'], ['y']);

  test.runIf(hasNode).each<[string, Recipe]>([
    [
      'Conv with a bias',
      {
        inputs: x(1, 3, 6, 6),
        initializers: { ...parameters(4), w: f32([4, 3, 3, 3], ...spread(108)), b: f32([4], ...spread(4)) },
        nodes: [node('Conv', ['x', 'w', 'b'], ['c']), norm, relu],
        outputs,
      },
    ],
    [
      'Conv without one, whose output is the graph output',
      {
        inputs: x(1, 1, 6, 6),
        initializers: { ...parameters(4), w: f32([4, 1, 3, 3], ...spread(36)) },
        nodes: [node('Conv', ['x', 'w'], ['c']), { ...norm, outputs: ['y'] }],
        outputs,
      },
    ],
    [
      'ConvTranspose',
      {
        inputs: x(1, 3, 6, 6),
        initializers: { ...parameters(4), w: f32([3, 4, 2, 2], ...spread(48)) },
        nodes: [node('ConvTranspose', ['x', 'w'], ['c']), norm, relu],
        outputs,
      },
    ],
    [
      'Gemm with alpha, beta and transposed weights',
      {
        inputs: x(2, 5),
        initializers: { ...parameters(4), w: f32([4, 5], ...spread(20)), b: f32([1, 4], ...spread(4)) },
        nodes: [
          node('Gemm', ['x', 'w', 'b'], ['c'], { transB: { int: 1 }, alpha: { float: 0.5 }, beta: { float: 3 } }),
          norm,
          relu,
        ],
        outputs,
      },
    ],
    [
      'Gemm with weights as they are',
      {
        inputs: x(2, 5),
        initializers: { ...parameters(4), w: f32([5, 4], ...spread(20)) },
        nodes: [node('Gemm', ['x', 'w'], ['c']), norm, relu],
        outputs,
        ir: 3,
      },
    ],
  ])('goes into %s', async (_, recipe) => {
    const { lines, report } = await pass(recipe, ['fuseBatchNorm']);
    expect(lines.join()).not.toContain('BatchNormalization');
    expect(report.passes[0].counts).toMatchObject({ fused: 1, left: 0 });
    expect(report.comparison).toMatchObject({ agreed: true, runs: 2 });
  });

  const conv = { ...parameters(4), w: f32([4, 3, 1, 1], ...spread(12)) };
  test.each<[string, Recipe]>([
    [
      'the layer has other readers',
      {
        inputs: x(1, 3, 6, 6),
        initializers: conv,
        nodes: [node('Conv', ['x', 'w'], ['c']), norm, node('Add', ['n', 'c'], ['y'])],
        outputs,
      },
    ],
    [
      'the weights are shared',
      {
        inputs: x(1, 3, 6, 6),
        initializers: conv,
        nodes: [node('Conv', ['x', 'w'], ['c']), norm, node('Conv', ['x', 'w'], ['d']), node('Add', ['n', 'd'], ['y'])],
        outputs,
      },
    ],
    [
      'not behind a layer',
      {
        inputs: [{ name: 'c', dtype: 'f32', shape: [1, 4, 2, 2] }],
        initializers: parameters(4),
        nodes: [norm, relu],
        outputs,
      },
    ],
  ])('stays when %s', async (reason, recipe) => {
    const { lines, report } = await pass(recipe, ['fuseBatchNorm']);
    expect(lines.join()).toContain('BatchNormalization');
    expect(report.passes[0].notes.join()).toContain(reason);
  });
});

describe('deduplication', () => {
  test('equal initializers become one; equal bytes of another shape stay two', async () => {
    const { lines, report } = await pass(
      {
        inputs: x(2),
        initializers: { a: f32([2], 1, 2), b: f32([2], 1, 2), c: f32([1, 2], 1, 2), d: f32([2], 1, 3) },
        nodes: [
          node('Add', ['x', 'a'], ['p']),
          node('Mul', ['p', 'b'], ['q']),
          node('Mul', ['q', 'c'], ['r']),
          node('Add', ['r', 'd'], ['y']),
        ],
        outputs: [{ name: 'y', dtype: 'f32' }],
      },
      ['deduplicate'],
    );
    expect(lines).toEqual(['p = Add(x,a)', 'q = Mul(p,a)', 'r = Mul(q,c)', 'y = Add(r,d)']);
    expect(report.passes[0].counts).toEqual({ merged: 1, bytes: 8 });
  });

  test('an initializer that is an output keeps its name', async () => {
    const { report } = await pass(
      {
        inputs: x(2),
        initializers: { a: f32([2], 1, 2), b: f32([2], 1, 2) },
        nodes: [node('Add', ['x', 'a'], ['y'])],
        outputs: ['y', 'b'],
      },
      ['deduplicate'],
      { feeds: [] },
    );
    expect(report.passes[0].counts).toEqual({ merged: 0, bytes: 0 });
  });

  test('a scale that a quantisation annotation names stays, though another initializer is equal', async () => {
    const scales = ['s', 't'].map((name) => P.initializer(P.tensor(name, P.CODE.f32, [], P.raw(0, 0, 128, 63))));
    const annotation = P.len(14, P.str(1, 'r'), P.len(2, P.str(1, 'SCALE_TENSOR'), P.str(2, 't')));
    const nodes = ['s', 't'].map((name) => P.node('Add', ['x', name], [`z${name}`]));
    const bytes = chain(...scales, annotation, ...nodes, P.output('zs'), P.output('zt'));
    const { edit, report } = await optimizeGraph(open(bytes), { passes: ['deduplicate'] });
    expect(report.passes[0].counts).toEqual({ merged: 0, bytes: 0 });
    expect(reopen(edit).tensors.map(({ name }) => name)).toEqual(['s', 't']);
  });
});

describe('f16', () => {
  const recipe: Recipe = {
    inputs: x(2, 4),
    initializers: { w: f32([4, 4], ...spread(16)), b: f32([4], ...spread(4)), both: f32([4], ...spread(4)) },
    nodes: [
      node('MatMul', ['x', 'w'], ['m']),
      node('Add', ['m', 'b'], ['a']),
      node('Mul', ['a', 'both'], ['p']),
      node('CumSum', ['p', 'axis'], ['s']),
      node('Add', ['s', 'both'], ['y']),
    ],
    outputs: [{ name: 'y', dtype: 'f32', shape: [2, 4] }],
  };
  const whole: Recipe = {
    ...recipe,
    initializers: { ...recipe.initializers, axis: { dtype: 'i64', shape: [], values: [1] } },
  };

  test('weights and nodes of the table are f16, others stay, Casts stand between and at the border', async () => {
    const { lines, report, tensors, inputs, outputs } = await pass(whole, ['half']);
    expect(lines).toEqual([
      'x_f16 = Cast(x)',
      'm = MatMul(x_f16,w)',
      'a = Add(m,b)',
      'p = Mul(a,both)',
      'p_f32 = Cast(p)',
      's = CumSum(p_f32,axis)',
      's_f16 = Cast(s)',
      'y_before_Cast = Add(s_f16,both)',
      'y = Cast(y_before_Cast)',
    ]);
    expect([...tensors.values()].map(({ dtype }) => dtype)).toEqual(['f16', 'f16', 'f16', 'i64']);
    expect([inputs, outputs]).toEqual([['f32'], ['f32']]);
    expect(report.passes[0].counts).toEqual({ nodes: 4, weights: 3, casts: 4 });
    if (hasNode) expect(report.comparison).toMatchObject({ agreed: true, tolerance: 0.02 });
  });

  test('with the border too when asked', async () => {
    const { lines, inputs, outputs, report } = await pass(whole, ['half'], { keepIo: false });
    expect([inputs, outputs]).toEqual([['f16'], ['f16']]);
    expect(lines.filter((line) => line.includes('Cast'))).toHaveLength(2);
    if (hasNode) expect(report.comparison?.outputs).toMatchObject([{ isComparable: true }]);
  });

  test('a layer with a weight beyond f16 stays as it is, and is named', async () => {
    const large = { ...whole, initializers: { ...whole.initializers, w: f32([4, 4], 70_000, ...spread(15)) } };
    const { lines, report } = await pass(large, ['half']);
    expect(lines[0]).toBe('m = MatMul(x,w)');
    expect(report.passes[0].notes).toEqual(['w: a weight beyond f16 stays in f32']);
  });

  test('a branch computes in f16 inside, and meets the graph around it in f32', async () => {
    const branch = (name: string, op: string) => ({
      graph: {
        name,
        outputs: [{ name }],
        nodes: [node(op, ['m', 'w'], [`${name}1`]), node('Relu', [`${name}1`], [name])],
      },
    });
    const { lines, report } = await pass(
      {
        inputs: [...x(4, 4), { name: 'c', dtype: 'bool', shape: [] }],
        initializers: { w: f32([4, 4], ...spread(16)) },
        nodes: [
          node('MatMul', ['x', 'w'], ['m']),
          node('If', ['c'], ['y'], { then_branch: branch('t', 'MatMul'), else_branch: branch('e', 'Add') }),
        ],
        outputs: [{ name: 'y', dtype: 'f32' }],
      },
      ['half'],
    );
    expect(lines).toEqual(['x_f16 = Cast(x)', 'm = MatMul(x_f16,w)', 'y = If(c)']);
    expect(report.passes[0].counts).toEqual({ nodes: 5, weights: 1, casts: 3 });
    if (hasNode) expect(report.comparison).toMatchObject({ agreed: true });
  });
});

describe(`the comparison${needs}`, () => {
  test.runIf(hasNode)('a model that computes something else is told, not hidden', async () => {
    const recipe: Recipe = {
      inputs: x(2, 2),
      initializers: { w: f32([2, 2], 1e-9, 2e-9, 3e-9, 4e-9), k: f32([], 1e9) },
      nodes: [node('MatMul', ['x', 'w'], ['m']), node('CumSum', ['m', 'axis'], ['s']), node('Mul', ['s', 'k'], ['y'])],
      outputs: [{ name: 'y', dtype: 'f32' }],
    };
    const model = {
      ...recipe,
      initializers: { ...recipe.initializers, axis: { dtype: 'i64', shape: [], values: [1] } },
    } as const;
    const { report } = await pass(model, ['half']);
    expect(report.comparison).toMatchObject({ agreed: false });
    expect(report.comparison!.outputs[0].relativeMax).toBeGreaterThan(0.5);
  });
});
