import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { findCode, runPlan } from '../../../test/formats/models.ts';
import { importable } from '../../../test/importable.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { branches, chain, edited, modelOf, open, toLines } from '../../../test/surgery/graphs.ts';
import { isClose, runModel } from '../../../test/surgery/metamorphic.ts';
import { openNodeRuntime } from '../../adapters/runtime/index.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';
import { editGraph, type Transaction } from '../index.ts';

const hasNode = await importable('onnxruntime-node');
const dense = (name: string): P.Part => P.initializer(P.tensor(name, P.CODE.u8, [1], P.raw(1)));

describe('an extracted part', () => {
  test('is what the outputs need, with the inputs fed; known types go with them', () => {
    const type = P.len(2, P.len(1, P.int(1, P.CODE.f32), P.len(2, P.len(1, P.str(2, 'n')))));
    const bytes = chain(P.len(13, P.str(1, 'r'), type), dense('w'));
    const tail = edited(bytes, (tx) => {
      tx.extract(['r'], ['y']);
    });
    expect(toLines(tail.graph)).toEqual(['y = Neg(r)']);
    expect(tail.graph!.inputs).toEqual([{ name: 'r', dtype: 'f32', shape: ['n'] }]);
    expect(tail.tensors).toEqual([]);
    const head = edited(bytes, (tx) => {
      tx.extract(['x'], [{ name: 'r', dtype: 'f32', shape: [3] }]);
    });
    expect(toLines(head.graph)).toEqual(['r = Relu(x)']);
    expect(head.graph!.outputs).toEqual([{ name: 'r', dtype: 'f32', shape: [3] }]);
  });

  test('may feed what was an initializer, or one of two outputs of a node that is kept', () => {
    const bytes = P.model(
      P.join(
        P.node('Split', ['x', 'w'], ['a', 'b']),
        P.node('Add', ['a', 'b'], ['y']),
        dense('w'),
        P.input('x'),
        P.output('y'),
      ),
    );
    const model = edited(bytes, (tx) => {
      tx.extract(['x', 'w', 'b'], ['y']);
    });
    expect(toLines(model.graph)).toEqual(['a,b_cut = Split(x,w)', 'y = Add(a,b)']);
    expect(model.graph!.inputs.map(({ name }) => name)).toEqual(['x', 'w', 'b']);
  });

  test('has no default any more for an input that is fed, whether defaults may be replaced (IR 8) or not (IR 3)', () => {
    for (const ir of [8, 3]) {
      const graph = P.join(
        P.node('Add', ['x', 'w'], ['y']),
        dense('w'),
        ...[P.input('x'), P.input('w'), P.output('y')],
      );
      const model = edited(modelOf({ ir }, graph), (tx) => {
        tx.extract(['x', { name: 'w', dtype: 'u8', shape: ['n'] }], ['y']);
      });
      expect(model.graph!.inputs[1]).toEqual({ name: 'w', dtype: 'u8', shape: ['n'] });
      expect(model.tensors).toEqual([]);
    }
  });

  test('of given nodes has their wires as its interface, those of subgraphs too', () => {
    const lines = (act: (tx: Transaction) => void): string[] => toLines(edited(branches(), act).graph);
    const model = edited(branches(), (tx) => {
      tx.extractNodes([tx.node({ name: 'if' })]);
    });
    expect(model.graph!.inputs.map(({ name }) => name)).toEqual(['c', 'r']);
    expect(
      lines((tx) => {
        tx.extractNodes(tx.upstream(['r'], 1));
      }),
    ).toEqual(['r = Relu(x)']);
    editGraph(open(branches()), (tx) => {
      expect(tx.upstream(['y']).map(({ op }) => op)).toEqual(['If', 'Relu']);
      expect(tx.upstream(['y'], 1).map(({ op }) => op)).toEqual(['If']);
    });
  });

  test('SURGERY_EXTRACT_OPEN: an input that is not named is needed', () => {
    const act = (): unknown =>
      editGraph(open(chain()), (tx) => {
        tx.extract([], ['y']);
      });
    expect(findCode(act)).toBe('SURGERY_EXTRACT_OPEN');
  });
});

describeWithShared('extraction from real models', () => {
  const title = 'the two halves of ultraface and mnist, run one after the other, give what the whole gives';

  async function compareHalves(name: string, value: string, shape: readonly number[]): Promise<void> {
    const runtime = await openNodeRuntime();
    const bytes = new Uint8Array(readFileSync(sharedData('models', name)));
    const whole = open(bytes);
    const [input] = whole.graph!.inputs;
    const outputs = whole.graph!.outputs.map((output) => output.name);
    const half = (act: (tx: Transaction) => void): Uint8Array => runPlan(editGraph(open(bytes), act).toRewrite());
    const head = half((tx) => {
      tx.extract([input.name], [{ name: value, dtype: 'f32', shape: null }]);
    });
    const tail = half((tx) => {
      tx.extract([{ name: value, dtype: 'f32', shape: null }], outputs);
    });
    const count = shape.reduce((product, dim) => product * dim, 1);
    const data = new Uint8Array(Float32Array.from({ length: count }, (_, i) => Math.sin(i)).buffer);
    const fed: RuntimeTensor = { dtype: 'f32', shape, data };
    const expected = await runModel(runtime, bytes, [fed]);
    const between = await runModel(runtime, head, [fed]);
    const result = await runModel(runtime, tail, between.outputs!);
    expect([expected.problem, between.problem, result.problem]).toEqual([null, null, null]);
    expect(isClose(expected.outputs!, result.outputs!)).toBe(true);
    expect(head.length + tail.length).toBeLessThan(bytes.length * 1.1);
  }

  if (!hasNode) test.skip(`${title} [needs onnxruntime-node]`);
  else {
    test('the two halves of ultraface and mnist, run one after the other, give what the whole gives', async () => {
      await compareHalves('mnist.onnx', 'Pooling66_Output_0', [1, 1, 28, 28]);
      await compareHalves('ultraface_rfb320.onnx', findMiddle(), [1, 3, 240, 320]);
    });
  }
});

/** A value of ultraface through which everything flows. */
function findMiddle(): string {
  const model = open(new Uint8Array(readFileSync(sharedData('models/ultraface_rfb320.onnx'))));
  return model.graph!.nodes.filter(({ op }) => op === 'Relu')[3].outputs[0];
}
