import { describe, expect, test } from 'vitest';
import { findCode } from '../../../test/formats/models.ts';
import * as P from '../../../test/formats/proto.ts';
import { branches, chain, functions, open, toEditedLines } from '../../../test/surgery/graphs.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { editGraph, type Transaction } from '../index.ts';

describe('what is refused', () => {
  const big = { dtype: 'f32', shape: [1], values: [1] } as const;

  test.each<[ErrorCode, string, (tx: Transaction) => unknown]>([
    ['SURGERY_SCOPE_MISSING', 'a scope that is not there', (tx) => tx.scope('if.body')],
    ['SURGERY_NODE_MISSING', 'a node that is not there', (tx) => tx.node({ output: 'x' })],
    ['SURGERY_NODE_MISSING', 'a name that is not there', (tx) => tx.node({ name: 'z' })],
    ['SURGERY_VALUE_MISSING', 'a value that is not there', (tx) => tx.insertAfter('q', { op: 'Identity' })],
    [
      'SURGERY_TENSOR_MISSING',
      'an edit of what is not constant',
      (tx) => {
        tx.setTensor('r', big);
      },
    ],
    [
      'SURGERY_TENSOR_MISSING',
      'an initializer that is not one',
      (tx) => {
        tx.initializerToConstant('r');
      },
    ],
    [
      'SURGERY_NAME_TAKEN',
      'a name that is taken',
      (tx) => {
        tx.renameValue('r', 'x');
      },
    ],
    ['SURGERY_NAME_TAKEN', 'a taken output', (tx) => tx.insertAfter('r', { op: 'Neg' }, { output: 'y' })],
    [
      'SURGERY_IN_USE',
      'a removal that leaves readers',
      (tx) => {
        tx.remove({ name: 'a' });
      },
    ],
    [
      'SURGERY_IN_USE',
      'a replacement that leaves readers',
      (tx) => tx.replace([{ name: 'a' }], [{ op: 'Abs', inputs: ['x'], outputs: ['z'] }]),
    ],
    [
      'SURGERY_IN_USE',
      'an input that is read',
      (tx) => {
        tx.deleteInput('x');
      },
    ],
    [
      'SURGERY_CANNOT_RECONNECT',
      'an output that would be an input',
      (tx) => {
        tx.remove([{ name: 'a' }, { name: 'b' }], { reconnect: true });
      },
    ],
    [
      'SURGERY_EDGE_MISSING',
      'an edge that is not there',
      (tx) => tx.insertOnEdge('x', { name: 'b' }, { op: 'Identity' }),
    ],
    ['SURGERY_EDGE_MISSING', 'an input beyond the last', (tx) => tx.insertBefore({ name: 'b' }, 1, { op: 'Identity' })],
    [
      'SURGERY_OPSET_MISSING',
      'a domain that is not imported',
      (tx) => tx.insertAfter('r', { op: 'Own', domain: 'own' }),
    ],
    [
      'SURGERY_OPSET_CONFLICT',
      'another version',
      (tx) => {
        tx.importOpset('ai.onnx', 19);
      },
    ],
    [
      'SURGERY_TENSOR_DATA',
      'data of another length',
      (tx) => {
        tx.addInitializer('w', { ...big, shape: [2] });
      },
    ],
    [
      'SURGERY_TENSOR_DATA',
      'values out of range',
      (tx) => {
        tx.addInitializer('w', { dtype: 'u8', shape: [1], values: [300] });
      },
    ],
    [
      'SURGERY_PLAN_MALFORMED',
      'a wire node without a wire',
      (tx) => tx.insertAfter('r', { op: 'Mul', inputs: ['x', 'x'] }),
    ],
    [
      'SURGERY_INVALID',
      'a cycle',
      (tx) => {
        tx.setInput({ name: 'a' }, 0, 'y');
      },
    ],
  ])('%s: %s', (code, _, act) => {
    expect(findCode(() => editGraph(open(chain()), (tx) => void act(tx)))).toBe(code);
  });

  test('SURGERY_NODE_AMBIGUOUS: a name that two nodes have', () => {
    const bytes = P.model(
      P.join(
        P.node('Neg', ['x'], ['y'], P.str(3, 'n')),
        P.node('Neg', ['x'], ['z'], P.str(3, 'n')),
        P.input('x'),
        P.output('y'),
        P.output('z'),
      ),
    );
    expect(
      findCode(() =>
        editGraph(open(bytes), (tx) => {
          tx.renameNode({ name: 'n' }, 'm');
        }),
      ),
    ).toBe('SURGERY_NODE_AMBIGUOUS');
  });

  test('SURGERY_NOT_IN_SCOPE: initializers of functions', () => {
    expect(
      findCode(() =>
        editGraph(open(functions()), (tx) => {
          tx.addInitializer('w', big, 'own::Twice');
        }),
      ),
    ).toBe('SURGERY_NOT_IN_SCOPE');
  });

  test('SURGERY_NAME_TAKEN: a name of a subgraph that would be shadowed', () => {
    expect(
      findCode(() =>
        editGraph(open(branches()), (tx) => {
          tx.renameValue('r', 't');
        }),
      ),
    ).toBe('SURGERY_NAME_TAKEN');
    expect(
      toEditedLines(branches(), (tx) => {
        tx.renameValue({ scope: 'if.then_branch', value: 't' }, 'e');
      }),
    ).toEqual(['r = Relu(x)', 'y = If(c)']);
  });
});
