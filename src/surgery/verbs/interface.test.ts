import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { chain, edited, functions, modelOf, open, toLines } from '../../../test/surgery/graphs.ts';
import { editGraph, type Transaction } from '../index.ts';

describe('the interface', () => {
  test('inputs, outputs and initializers come and go', () => {
    const model = edited(chain(), (tx) => {
      tx.addInput({ name: 'mask', dtype: 'f32', shape: ['n', 2, null] });
      tx.insertAfter('r', { op: 'Mul', inputs: [null, 'mask'] });
      tx.addOutput('r', { dtype: 'f32', shape: null });
      tx.deleteOutput('y');
      tx.cleanup();
    });
    expect(model.graph!.inputs).toEqual([
      { name: 'x', dtype: null, shape: null },
      { name: 'mask', dtype: 'f32', shape: ['n', 2, null] },
    ]);
    expect(model.graph!.outputs).toEqual([{ name: 'r', dtype: 'f32', shape: null }]);
    expect(toLines(model.graph)).toEqual(['r = Relu(x)']);
    const less = edited(model.graph === null ? chain() : chain(P.input('extra')), (tx) => {
      tx.deleteInput('extra');
    });
    expect(less.graph!.inputs.map(({ name }) => name)).toEqual(['x']);
  });

  test('below IR 4, initializers are inputs, and stay so', () => {
    const w = P.tensor('w', P.CODE.f32, [1], P.raw(0, 0, 128, 63));
    const bytes = modelOf(
      { ir: 3 },
      P.join(P.node('Mul', ['x', 'w'], ['y']), P.initializer(w), P.input('x'), P.input('w'), P.output('y')),
    );
    const inputs = (act: (tx: Transaction) => void) =>
      editGraph(open(bytes), act).document.graph.inputs.map(({ name }) => name);
    expect(
      inputs((tx) => {
        tx.addInitializer('v', { dtype: 'f32', shape: [1], values: [1] });
      }),
    ).toEqual(['x', 'w', 'v']);
    expect(
      inputs((tx) => {
        tx.renameValue('w', 'weight');
      }),
    ).toEqual(['x', 'weight']);
    expect(
      inputs((tx) => {
        tx.initializerToConstant('w');
      }),
    ).toEqual(['x']);
    expect(
      inputs((tx) => {
        tx.setInput({ output: 'y' }, 1, 'x');
        tx.deleteInitializer('w');
      }),
    ).toEqual(['x']);
    expect(
      inputs((tx) => {
        tx.setInput({ output: 'y' }, 1, 'x');
        tx.cleanup();
      }),
    ).toEqual(['x']);
    const without = editGraph(open(bytes), (tx) => {
      tx.setInput({ output: 'y' }, 1, 'x');
      tx.deleteInput('w');
    }).document.graph;
    expect([without.inputs.map(({ name }) => name), without.initializers]).toEqual([['x'], []]);
  });

  test('an operator set is imported for the model or one function; the default has one name', () => {
    const opsets = (act: (tx: Transaction) => void) => [...edited(chain(), act).opsets];
    expect(
      opsets((tx) => {
        tx.importOpset('own', 2);
      }),
    ).toEqual([
      ['', 18],
      ['own', 2],
    ]);
    expect(
      opsets((tx) => {
        tx.importOpset('ai.onnx', 18);
      }),
    ).toEqual([['', 18]]);
    const edit = editGraph(open(functions()), (tx) => {
      expect(tx.opset('own', 'own::Twice')).toBeUndefined();
      tx.importOpset('own', 1, 'own::Twice');
    });
    expect(edit.document.functions.map(({ opsets: list }) => list.map(({ domain }) => domain))).toEqual([
      ['', 'own'],
      [''],
    ]);
  });
});
