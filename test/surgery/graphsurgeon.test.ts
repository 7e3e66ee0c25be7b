/** The jobs of the twelve published onnx-graphsurgeon examples, done by our verbs; what comes out is run. */
import { describe, expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import {
  addLayer,
  createModel,
  editGraph,
  foldConstants,
  openEdited,
  type TensorJson,
  type Transaction,
  validateGraph,
} from '../../src/surgery/index.ts';
import { importable } from '../importable.ts';
import { f32, i64 } from './build.ts';
import { toLines } from './graphs.ts';
import { fill, runEdit } from './run.ts';

const hasNode = await importable('onnxruntime-node');
const job = test.runIf(hasNode);
const runtime = hasNode ? await openNodeRuntime() : null;
const run = (
  ...args: Parameters<typeof runEdit> extends [unknown, ...infer R] ? R : never
): ReturnType<typeof runEdit> => runEdit(runtime!, ...args);

const image = (...shape: number[]): { dtype: 'f32'; shape: number[] } => ({ dtype: 'f32', shape });

describe(`the examples of onnx-graphsurgeon${hasNode ? '' : ' [needs onnxruntime-node]'}`, () => {
  job('01: a model with one node, from nothing', async () => {
    const edit = editGraph(createModel(), (tx) => {
      tx.addInput({ name: 'X', ...image(1, 3, 5, 5) });
      tx.addNodes([{ op: 'GlobalLpPool', inputs: ['X'], outputs: ['Y'], attributes: { p: { int: 2 } } }]);
      tx.addOutput('Y', image(1, 3, 1, 1));
    });
    const { Y } = await run(edit, { X: fill([1, 3, 5, 5], 2) });
    expect(Y).toEqual({ shape: [1, 3, 1, 1], values: [10, 10, 10] });
  });

  job('02: a model with an initializer, which is no input', async () => {
    const edit = editGraph(createModel(), (tx) => {
      tx.addInput({ name: 'X', ...image(1, 3, 224, 224) });
      tx.addInitializer('W', fill([5, 3, 3, 3], 1));
      tx.addNodes([{ op: 'Conv', inputs: ['X', 'W'], outputs: ['Y'] }]);
      tx.addOutput('Y', image(1, 5, 222, 222));
    });
    expect(openEdited(edit).graph!.inputs.map(({ name }) => name)).toEqual(['X']);
    const { Y } = await run(edit, { X: fill([1, 3, 224, 224], 1) });
    expect([Y.shape, new Set(Y.values)]).toEqual([[1, 5, 222, 222], new Set([27])]);
  });

  /** y = (x0² · a + x1 · b + x2) · 5, in which x1 and add_out bound the part that is wanted. */
  const polynomial = (): ReturnType<typeof createModel> =>
    openEdited(
      editGraph(createModel(), (tx) => {
        for (const name of ['x0', 'x1', 'x2']) tx.addInput({ name, ...image(2) });
        for (const [name, value] of Object.entries({ a: 2, b: 3, c: 5 })) tx.addInitializer(name, fill([2], value));
        tx.addNodes([
          { op: 'Mul', inputs: ['x0', 'x0'], outputs: ['square'] },
          { op: 'Mul', inputs: ['square', 'a'], outputs: ['left'] },
          { op: 'Mul', inputs: ['x1', 'b'], outputs: ['right'] },
          { op: 'Add', inputs: ['right', 'x2'], outputs: ['add_out'] },
          { op: 'Add', inputs: ['left', 'add_out'], outputs: ['sum'] },
          { op: 'Mul', inputs: ['sum', 'c'], outputs: ['y'] },
        ]);
        tx.addOutput('y', image(2));
      }),
    );

  job('03: a part of a model, between values', async () => {
    const edit = editGraph(polynomial(), (tx) => {
      tx.extract(['x1', 'x2'], [{ name: 'add_out', ...image(2) }]);
    });
    const part = openEdited(edit).graph!;
    expect(toLines(part)).toEqual(['right = Mul(x1,b)', 'add_out = Add(right,x2)']);
    expect(await run(edit, { x1: f32([2], 1, 2), x2: f32([2], 10, 20) })).toEqual({
      add_out: { shape: [2], values: [13, 26] },
    });
  });

  job('04: an input taken off a node, another operator, a node behind it, another output', async () => {
    const edit = editGraph(polynomial(), (tx) => {
      const [first] = tx.find({ op: 'Add' });
      const [read] = first.inputs;
      tx.replace(
        [first],
        [{ op: 'LeakyRelu', inputs: [read], outputs: ['add_out'], attributes: { alpha: { float: 0.5 } } }],
      );
      tx.addNodes([{ op: 'Identity', inputs: ['add_out'], outputs: ['identity_out'] }]);
      tx.addOutput('identity_out', image(2));
      tx.deleteOutput('y');
      tx.cleanup();
      for (const name of ['x0', 'x2']) tx.deleteInput(name);
      tx.toposort();
    });
    expect(openEdited(edit).graph!.inputs.map(({ name }) => name)).toEqual(['x1']);
    expect(await run(edit, { x1: f32([2], -2, 2) })).toEqual({ identity_out: { shape: [2], values: [-3, 6] } });
  });

  job('05: constants folded, and what is left over removed', async () => {
    const model = openEdited(
      editGraph(createModel(), (tx) => {
        tx.addInput({ name: 'input', ...image(1, 3) });
        for (const name of ['a', 'b', 'd']) tx.addInitializer(name, fill([1, 3], 1));
        tx.addNodes([
          { op: 'Add', inputs: ['a', 'b'], outputs: ['c'] },
          { op: 'Add', inputs: ['c', 'd'], outputs: ['e'] },
          { op: 'Add', inputs: ['input', 'e'], outputs: ['output'] },
        ]);
        tx.addOutput('output', image(1, 3));
      }),
    );
    const { edit } = await foldConstants(model, { runtime: runtime! });
    const folded = openEdited(edit);
    expect(toLines(folded.graph)).toEqual(['output = Add(input,e)']);
    expect(folded.tensors.map(({ name }) => name)).toEqual(['e']);
    expect((await run(edit, { input: f32([1, 3], 1, 2, 3) })).output.values).toEqual([4, 5, 6]);
  });

  job('06: a node that no runtime knows, removed with its neighbours joined', async () => {
    const model = openEdited(
      editGraph(createModel(), (tx) => {
        tx.addInput({ name: 'x', ...image(2) });
        tx.addNodes([
          { op: 'Identity', inputs: ['x'], outputs: ['i0'] },
          { op: 'FakeNodeToRemove', inputs: ['i0'], outputs: ['i1'] },
          { op: 'Identity', inputs: ['i1'], outputs: ['y'] },
        ]);
        tx.addOutput('y', image(2));
      }),
    );
    const edit = editGraph(model, (tx) => {
      tx.remove(tx.find({ op: 'FakeNodeToRemove' }), { reconnect: true });
    });
    expect(toLines(openEdited(edit).graph)).toEqual(['i0 = Identity(x)', 'y = Identity(i0)']);
    expect(await run(edit, { x: f32([2], 7, 8) })).toEqual({ y: { shape: [2], values: [7, 8] } });
  });

  job('07: layers as functions of our own: ReLU(A · Xᵀ + B) ⊙ C + D', async () => {
    type Value = string | TensorJson;
    const edit = editGraph(createModel({ opset: 11 }), (tx) => {
      const binary =
        (op: string) =>
        (a: Value, b: Value): string =>
          addLayer(tx, { op, inputs: [a, b] })[0];
      const [add, mul] = [binary('Add'), binary('Mul')];
      const relu = (a: Value): string => addLayer(tx, { op: 'Relu', inputs: [a] })[0];
      const gemm = (a: Value, b: Value): string =>
        addLayer(tx, { op: 'Gemm', inputs: [a, b], attributes: { transA: { int: 0 }, transB: { int: 1 } } })[0];
      tx.addInput({ name: 'X', ...image(64, 64) });
      tx.addInitializer('C', fill([64, 64], 1));
      const dense = relu(add(gemm(fill([64, 64], 1), 'X'), fill([64, 64], 0.5)));
      tx.addOutput(add(mul(dense, 'C'), fill([64, 64], 1)), image(64, 64));
    });
    const outputs = Object.values(await run(edit, { X: fill([64, 64], 0.25) }));
    expect(outputs.map(({ shape, values }) => [shape, new Set(values)])).toEqual([[[64, 64], new Set([17.5])]]);
    expect(openEdited(edit).graph!.nodes.map(({ op }) => op)).toEqual(['Gemm', 'Add', 'Relu', 'Mul', 'Add']);
  });

  job('08: Min and Max, found by their pattern, become one Clip', async () => {
    const model = openEdited(
      editGraph(createModel(), (tx) => {
        tx.addInput({ name: 'input', ...image(4) });
        const layer = (op: string, ...inputs: (string | TensorJson)[]): string => addLayer(tx, { op, inputs })[0];
        const upper = layer('Min', layer('Identity', 'input'), f32([], 6));
        tx.addOutput(layer('Identity', layer('Max', upper, f32([], 0))), image(4));
      }),
    );
    const edit = editGraph(model, (tx) => {
      const nodes = [
        { as: 'min', op: 'Min', inputs: ['x', 'high'], outputs: ['limited'] },
        { as: 'max', op: 'Max', inputs: ['limited', 'low'], outputs: ['y'] },
      ];
      for (const match of tx.match({ nodes, internal: ['limited'] })) {
        const { x, low, high, y } = match.values;
        tx.replace([match.nodes.min, match.nodes.max], [{ op: 'Clip', inputs: [x, low, high], outputs: [y] }]);
      }
    });
    expect(openEdited(edit).graph!.nodes.map(({ op }) => op)).toEqual(['Identity', 'Clip', 'Identity']);
    const [y] = Object.values(await run(edit, { input: f32([4], -1, 0.5, 6, 9) }));
    expect(y.values).toEqual([0, 0.5, 6, 6]);
  });

  job('09: shapes computed in the graph: all dimensions, and the last two, made one', async () => {
    const edit = editGraph(createModel({ opset: 13 }), (tx) => {
      const layer = (op: string, inputs: (string | TensorJson)[], more: object = {}): string =>
        addLayer(tx, { op, inputs, ...more })[0];
      const volume = (of: string): string =>
        layer('ReduceProd', [of], { attributes: { axes: { ints: [0] }, keepdims: { int: 1 } } });
      tx.addInput({ name: 'data', dtype: 'f32', shape: ['batch', 3, 'height', 5] });
      const shape = layer('Shape', ['data']);
      layer('Reshape', ['data', volume(shape)], { outputs: ['flattened'] });
      const kept = layer('Gather', [shape, i64(0, 1)]);
      const merged = volume(layer('Gather', [shape, i64(2, 3)]));
      const wanted = layer('Concat', [kept, merged], { attributes: { axis: { int: 0 } } });
      layer('Reshape', ['data', wanted], { outputs: ['partially_flattened'] });
      tx.addOutput('flattened', { dtype: 'f32', shape: [null] });
      tx.addOutput('partially_flattened', { dtype: 'f32', shape: [null, null, null] });
    });
    const { flattened, partially_flattened } = await run(edit, { data: fill([2, 3, 4, 5], 1) });
    expect([flattened.shape, partially_flattened.shape]).toEqual([[120], [2, 3, 20]]);
  });

  job('10: a batch of fixed size becomes one of any size', async () => {
    const model = openEdited(
      editGraph(createModel(), (tx) => {
        tx.addInput({ name: 'input_1', ...image(1, 3, 28, 28) });
        const [conv] = addLayer(tx, { op: 'Conv', inputs: ['input_1', fill([32, 3, 3, 3], 1)], outputs: ['conv'] });
        const [flat] = addLayer(tx, { op: 'Reshape', inputs: [conv, i64(1, 21632)], outputs: ['flat'] });
        const [y] = addLayer(tx, { op: 'MatMul', inputs: [flat, fill([21632, 10], 1 / 1024)], outputs: ['y'] });
        tx.setType('conv', image(1, 32, 26, 26));
        tx.addOutput(y, image(1, 10));
      }),
    );
    const edit = editGraph(model, (tx) => {
      const toAny = ({ name, dtype, shape }: ReturnType<Transaction['scope']>['inputs'][number]): void => {
        tx.setType(name, { dtype, shape: ['N', ...shape!.slice(1)] });
      };
      const { inputs, outputs, values } = tx.scope();
      for (const value of [...inputs, ...outputs]) toAny(value);
      // Declared for a batch of one; a runtime works them out anew.
      for (const { name } of values) tx.setType(name, null);
      for (const node of tx.find({ op: 'Reshape' })) tx.editTensor(node.inputs[1], 0, i64(-1));
    });
    const one = await run(
      editGraph(model, () => undefined),
      { input_1: fill([1, 3, 28, 28], 1) },
    );
    const three = await run(edit, { input_1: fill([3, 3, 28, 28], 1) });
    expect([three.y.shape, three.y.values]).toEqual([
      [3, 10],
      [...one.y.values, ...one.y.values, ...one.y.values],
    ]);
  });

  job('11: a local function with attributes, called in layers', async () => {
    const layers = 4;
    const weight = (seed: number): TensorJson =>
      f32([4, 4], ...Array.from({ length: 16 }, (_, i) => Math.sin(i + seed)));
    const edit = editGraph(createModel({ irVersion: 9 }), (tx) => {
      const scope = addAttention(tx);
      tx.addInput({ name: 'x', dtype: 'f32', shape: ['batch', 'length', 4] });
      let value = 'x';
      for (let layer = 0; layer < layers; layer++) {
        const weights = ['Wq', 'Wk', 'Wv'].map((name, at) => [name, { tensor: weight(3 * layer + at) }] as const);
        const attributes = { ...Object.fromEntries(weights), scale: { float: 2 } };
        const [seen] = addLayer(tx, { op: 'SelfAttention', domain: 'local', inputs: [value], attributes });
        value = addLayer(tx, { op: 'Add', inputs: [value, addLayer(tx, { op: 'Relu', inputs: [seen] })[0]] })[0];
      }
      expect(scope).toBe('local::SelfAttention');
      tx.addOutput(value, { dtype: 'f32', shape: ['batch', 'length', 4] });
    });
    const model = openEdited(edit);
    expect([...model.functions.keys()]).toEqual(['local::SelfAttention']);
    expect(validateGraph(model).problems).toEqual([]);
    const x = f32([1, 2, 4], 0.1, 0.2, 0.3, 0.4, -0.4, -0.3, -0.2, -0.1);
    const [y] = Object.values(await run(edit, { x }));
    const inlined = editGraph(model, (tx) => {
      tx.inlineAll();
    });
    const [same] = Object.values(await run(inlined, { x }));
    expect(y.shape).toEqual([1, 2, 4]);
    y.values.forEach((value, at) => {
      expect(value).toBeCloseTo(attention(x.values!.map(Number), layers, weight)[at], 4);
      expect(value).toBeCloseTo(same.values[at], 5);
    });
  });

  job.each([
    ['bf16', 22, 10],
    ['f8e4m3fn', 22, 10],
  ] as const)('12: weights of a type that JavaScript has not: %s', async (dtype, opset, irVersion) => {
    const plain = editGraph(createModel({ opset, irVersion }), (tx) => {
      tx.addInput({ name: 'X', dtype, shape: [1, 3, 224, 224] });
      tx.addInitializer('W', fill([5, 3, 3, 3], 0.5, dtype));
      tx.addNodes([{ op: 'Conv', inputs: ['X', 'W'], outputs: ['Y'] }]);
      tx.addOutput('Y', { dtype, shape: [1, 5, 222, 222] });
    });
    const [weights] = openEdited(plain).tensors;
    const bytes = new Uint8Array(weights.byteLength);
    weights.read(0, bytes);
    // 0.5: sign 0, exponent 126 of 8 bits in bf16; exponent 6 of 4 bits in f8e4m3fn.
    expect([weights.dtype, [...bytes.subarray(0, 2)]]).toEqual([dtype, dtype === 'bf16' ? [0, 0x3f] : [0x30, 0x30]]);
    // The processor's kernels convolve in f32: the same weights, widened in the graph.
    const widened = editGraph(openEdited(plain), (tx) => {
      const [conv] = tx.find({ op: 'Conv' });
      tx.setType('X', image(1, 3, 224, 224));
      tx.setType('Y', image(1, 5, 222, 222));
      tx.insertBefore(conv, 1, { op: 'Cast', attributes: { to: { int: 1 } } });
    });
    const { Y } = await run(widened, { X: fill([1, 3, 224, 224], 1) });
    expect(new Set(Y.values)).toEqual(new Set([13.5]));
  });
});

/** local::SelfAttention(x; Wq, Wk, Wv, perm = [0, 2, 1], scale = 1). @returns the path of its body */
function addAttention(tx: Transaction): string {
  const scope = tx.addFunction({
    name: 'SelfAttention',
    domain: 'local',
    inputs: ['x'],
    outputs: ['y'],
    attributes: ['Wq', 'Wk', 'Wv'],
    defaults: { perm: { ints: [0, 2, 1] }, scale: { float: 1 } },
  });
  const layer = (op: string, inputs: readonly string[], more: object = {}): string =>
    addLayer(tx, { op, inputs, scope, ...more })[0];
  const constant = (kind: string, ref: string, type: number): string =>
    layer('Constant', [], { attributes: { [kind]: { ref, type } } });
  const [q, k, v] = ['Wq', 'Wk', 'Wv'].map((name) => layer('MatMul', ['x', constant('value', name, 4)]));
  const turned = layer('Transpose', [k], { attributes: { perm: { ref: 'perm', type: 7 } } });
  const scores = layer('Div', [layer('MatMul', [q, turned]), constant('value_float', 'scale', 1)]);
  layer('MatMul', [layer('Softmax', [scores]), v], { outputs: ['y'] });
  return scope;
}

/** What the model of job 11 computes, written out for two rows of four. */
function attention(x: readonly number[], layers: number, weight: (seed: number) => TensorJson): number[] {
  let rows = [x.slice(0, 4), x.slice(4)];
  const times = (a: readonly number[][], b: readonly number[][]): number[][] =>
    a.map((row) => b[0].map((_, j) => row.reduce((sum, value, i) => sum + value * b[i][j], 0)));
  for (let layer = 0; layer < layers; layer++) {
    const [q, k, v] = [0, 1, 2].map((at) => {
      const values = weight(3 * layer + at).values!.map(Number);
      return times(
        rows,
        [0, 4, 8, 12].map((from) => values.slice(from, from + 4)),
      );
    });
    const seen = rows.map((_, i) => {
      const scores = k.map((key) => Math.exp(key.reduce((sum, value, at) => sum + value * q[i][at], 0) / 2));
      const total = scores.reduce((sum, score) => sum + score, 0);
      return v[0].map((__, at) => scores.reduce((sum, score, j) => sum + (score / total) * v[j][at], 0));
    });
    rows = rows.map((row, i) => row.map((value, at) => value + Math.max(0, seen[i][at])));
  }
  return rows.flat();
}
