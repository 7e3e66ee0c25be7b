/** The jobs of Polygraphy's `surgeon` verbs, done by ours; what comes out is run. */
import { describe, expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import type { Model } from '../../src/model/types.ts';
import {
  addLayer,
  applyEditPlan,
  createModel,
  editGraph,
  foldConstants,
  formatEditPlan,
  openEdited,
  pruneWeights,
  restoreWeights,
  stripWeights,
  type TensorJson,
  toModelBytes,
  validateGraph,
} from '../../src/surgery/index.ts';
import { findCode } from '../formats/models.ts';
import { importable } from '../importable.ts';
import { build, f32, i64, node } from './build.ts';
import { toLines } from './graphs.ts';
import { fill, type Numbers, runBytes, runEdit } from './run.ts';

const hasNode = await importable('onnxruntime-node');
const needs = hasNode ? '' : ' [needs onnxruntime-node]';
const job = test.runIf(hasNode);
const runtime = hasNode ? await openNodeRuntime() : null;

/** x[2] → Identity → i; max(min(i, 6), 0) = m; m · [8 elements] reshaped … → y. */
const clipped = (): Model =>
  build({
    inputs: [{ name: 'x', dtype: 'f32', shape: [2, 3] }],
    outputs: [{ name: 'y', dtype: 'f32', shape: [2, 3] }],
    initializers: { low: f32([], 0), high: f32([], 6) },
    nodes: [
      node('Identity', ['x'], ['i']),
      node('Min', ['i', 'high'], ['n']),
      node('Max', ['n', 'low'], ['m']),
      node('Neg', ['m'], ['y']),
    ],
  });

/** A convolution and a dense layer with weights that are all different. */
function network(): Model {
  const numbers = (shape: readonly number[], step: number): TensorJson => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    return f32(shape, ...Array.from({ length: count }, (_, i) => Math.sin((i + 1) * step)));
  };
  return openEdited(
    editGraph(createModel(), (tx) => {
      tx.addInput({ name: 'x', dtype: 'f32', shape: [1, 6, 4, 4] });
      tx.addInitializer('kernel', numbers([8, 6, 3, 3], 0.7));
      tx.addInitializer('bias', numbers([8], 1.3));
      tx.addInitializer('dense', numbers([32, 5], 0.3));
      const [conv] = addLayer(tx, { op: 'Conv', inputs: ['x', 'kernel', 'bias'] });
      const [flat] = addLayer(tx, { op: 'Reshape', inputs: [conv, i64(1, -1)] });
      addLayer(tx, { op: 'MatMul', inputs: [flat, 'dense'], outputs: ['y'] });
      tx.addOutput('y', { dtype: 'f32', shape: [1, 5] });
    }),
  );
}

const pixels = f32([1, 6, 4, 4], ...Array.from({ length: 96 }, (_, i) => Math.cos(i)));
const runNetwork = async (edit: ReturnType<typeof editGraph>): Promise<Numbers> =>
  (await runEdit(runtime!, edit, { x: pixels })).y;

function readFloats(model: Model, name: string): Float32Array {
  const tensor = model.tensors.find((candidate) => candidate.name === name)!;
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return new Float32Array(bytes.buffer);
}

describe(`the verbs of surgeon${needs}`, () => {
  job('extract: a part; and new shapes for the inputs of the whole', async () => {
    const part = editGraph(clipped(), (tx) => {
      tx.extract([{ name: 'i', dtype: 'f32', shape: ['n'] }], [{ name: 'm', dtype: 'f32', shape: ['n'] }]);
    });
    expect(await runEdit(runtime!, part, { i: f32([3], -1, 3, 9) })).toEqual({ m: { shape: [3], values: [0, 3, 6] } });
    const whole = editGraph(clipped(), (tx) => {
      tx.extract([{ name: 'x', dtype: 'f32', shape: ['n', 3] }], [{ name: 'y', dtype: 'f32', shape: ['n', 3] }]);
    });
    expect((await runEdit(runtime!, whole, { x: fill([4, 3], 1) })).y.shape).toEqual([4, 3]);
  });

  job('insert: a node in the place of what lies between values, and one on a wire', async () => {
    const replaced = editGraph(clipped(), (tx) => {
      tx.replace([{ output: 'n' }, { output: 'm' }], [node('Clip', ['i', 'low', 'high'], ['m'])]);
    });
    const x = f32([2, 3], -1, 0, 1, 5, 6, 7);
    expect(toLines(openEdited(replaced).graph)).toEqual(['i = Identity(x)', 'm = Clip(i,low,high)', 'y = Neg(m)']);
    const before = await runEdit(
      runtime!,
      editGraph(clipped(), () => undefined),
      { x },
    );
    expect(await runEdit(runtime!, replaced, { x })).toEqual(before);
    const onOutput = editGraph(clipped(), (tx) => {
      tx.insertAfter('y', { op: 'LeakyRelu', attributes: { alpha: { float: 0.5 } } });
    });
    expect((await runEdit(runtime!, onOutput, { x })).y.values).toEqual(before.y.values.map((value) => value / 2));
  });

  job('sanitize: inputs of other shapes, constants folded, dead nodes gone', async () => {
    const model = build({
      inputs: [{ name: 'x', dtype: 'f32', shape: ['n', 4] }],
      outputs: [{ name: 'y', dtype: 'f32', shape: null }],
      nodes: [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'zero'], ['count']),
        node('Concat', ['count', 'rest'], ['wanted'], { axis: { int: 0 } }),
        node('Reshape', ['x', 'wanted'], ['y']),
        node('Neg', ['x'], ['dead']),
      ],
      initializers: { zero: i64(0), rest: i64(2, 2) },
    });
    const fixed = openEdited(
      editGraph(model, (tx) => {
        tx.setType('x', { dtype: 'f32', shape: [3, 4] });
        tx.cleanup();
      }),
    );
    expect(fixed.graph!.nodes).toHaveLength(4);
    const { edit } = await foldConstants(fixed, { runtime: runtime! });
    expect(toLines(openEdited(edit).graph)).toEqual(['y = Reshape(x,wanted)']);
    expect((await runEdit(runtime!, edit, { x: fill([3, 4], 1) })).y.shape).toEqual([3, 2, 2]);
  });

  job('prune: two of every four weights along the sums stay, the larger ones', async () => {
    const pruned: string[] = [];
    const edit = editGraph(network(), (tx) => {
      pruned.push(...pruneWeights(tx));
    });
    expect(pruned).toEqual(['kernel', 'dense']);
    const [before, after] = [network(), openEdited(edit)].map((model) => readFloats(model, 'dense'));
    for (let column = 0; column < 5; column++) {
      for (let group = 0; group < 8; group++) {
        const at = [0, 1, 2, 3].map((row) => (4 * group + row) * 5 + column);
        const order = [...at].sort((a, b) => Math.abs(before[b]) - Math.abs(before[a]));
        const expected = at.map((index) => (order.indexOf(index) < 2 ? before[index] : 0));
        expect(at.map((index) => after[index])).toEqual(expected);
      }
    }
    // Six channels: four make a group, two are left over and stay.
    const [kernel, rest] = [network(), openEdited(edit)].map((model) => readFloats(model, 'kernel'));
    const zeros = (channels: readonly number[]): number =>
      channels.filter((channel) => rest[channel * 9] === 0 && kernel[channel * 9] !== 0).length;
    expect([zeros([0, 1, 2, 3]), zeros([4, 5])]).toEqual([2, 0]);
    const masked = editGraph(network(), (tx) => {
      for (const name of pruned) {
        const { dtype, shape } = tx.tensor(name)!;
        tx.setTensor(name, { dtype, shape, values: [...readFloats(openEdited(edit), name)] });
      }
    });
    expect(await runNetwork(edit)).toEqual(await runNetwork(masked));
  });

  job('weight-strip and weight-reconstruct: a valid model without weights, and the first one again', async () => {
    const stripped = editGraph(network(), (tx) => {
      expect(stripWeights(tx)).toEqual(['kernel', 'dense']);
    });
    expect(toModelBytes(stripped).length).toBeLessThan(1000);
    expect(validateGraph(openEdited(stripped)).problems).toEqual([]);
    expect(new Set((await runNetwork(stripped)).values)).toEqual(new Set([0]));
    const options = { models: { original: network() } };
    const restore = (tx: Parameters<Parameters<typeof editGraph>[1]>[0]): void => {
      restoreWeights(tx, { model: 'original' });
    };
    const restored = editGraph(openEdited(stripped), restore, options);
    const whole = editGraph(network(), () => undefined);
    expect(await runNetwork(restored)).toEqual(await runNetwork(whole));
    expect(toLines(openEdited(restored).graph)).toEqual(toLines(network().graph));
    const replayed = applyEditPlan(openEdited(stripped), formatEditPlan(restored.plan), options);
    expect(Buffer.compare(toModelBytes(replayed), toModelBytes(restored))).toBe(0);
  });

  job('weight-reconstruct without the original: stand-ins of the same shapes, the same each time', async () => {
    const standIns = (): Uint8Array => {
      const stripped = editGraph(network(), (tx) => {
        stripWeights(tx, { except: ['dense'] });
      });
      return toModelBytes(
        editGraph(openEdited(stripped), (tx) => {
          expect(restoreWeights(tx)).toEqual(['kernel']);
        }),
      );
    };
    expect(Buffer.compare(standIns(), standIns())).toBe(0);
    const { y } = await runBytes(runtime!, standIns(), { x: pixels });
    expect(y.shape).toEqual([1, 5]);
    expect(y.values.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
  });
});

test.each<[string, () => unknown]>([
  [
    'SURGERY_TENSOR_DATA',
    () =>
      editGraph(network(), (tx) => {
        tx.pruneTensor('dense', 2);
      }),
  ],
  [
    'SURGERY_TENSOR_DATA',
    () =>
      editGraph(network(), (tx) => {
        tx.pruneTensor('dense', 0, { keep: 4 });
      }),
  ],
  [
    'SURGERY_TENSOR_MISSING',
    () =>
      editGraph(network(), (tx) => {
        tx.stripTensor('x');
      }),
  ],
  [
    'SURGERY_TENSOR_MISSING',
    () =>
      editGraph(network(), (tx) => {
        tx.restoreTensor('dense');
      }),
  ],
  [
    'SURGERY_MODEL_MISSING',
    () =>
      editGraph(network(), (tx) => {
        tx.stripTensor('dense');
        tx.restoreTensor('dense', { model: 'original' });
      }),
  ],
  [
    'SURGERY_VALUE_MISSING',
    () =>
      editGraph(
        network(),
        (tx) => {
          tx.stripTensor('dense');
          tx.restoreTensor('dense', { model: 'other' });
        },
        { models: { other: clipped() } },
      ),
  ],
])('refused with %s', (code, act) => {
  expect(findCode(act)).toBe(code);
});
