import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { chain, edited, open, toEditedLines } from '../../../test/surgery/graphs.ts';
import { readGraphDocument } from '../../formats/index.ts';
import { editGraph, type Transaction } from '../index.ts';

describe('nodes', () => {
  test('attributes are set, replaced and deleted; the rest of the node is kept', () => {
    const bytes = P.model(
      P.join(
        P.node('LeakyRelu', ['x'], ['y'], P.attribute('alpha', 1, P.f32(2, 0.5), P.str(13, 'doc'))),
        P.input('x'),
        P.output('y'),
      ),
    );
    const attributes = (act: (tx: Transaction) => void) => [...edited(bytes, act).graph!.nodes[0].attributes];
    const at = { output: 'y' };
    expect(
      attributes((tx) => {
        tx.setAttribute(at, 'alpha', { float: 2 });
      }),
    ).toEqual([['alpha', { kind: 'float', value: 2 }]]);
    expect(
      attributes((tx) => {
        tx.setAttribute(at, 'alpha', null);
      }),
    ).toEqual([]);
    expect(
      attributes((tx) => {
        tx.setAttribute(at, 'axes', { ints: [1, '-9007199254740993'] });
      })[1],
    ).toEqual(['axes', { kind: 'ints', values: [1n, -9007199254740993n] }]);
    expect(
      attributes((tx) => {
        tx.setAttribute(at, 'floats', { floats: ['NaN', 'Infinity'] });
      })[1],
    ).toEqual(['floats', { kind: 'floats', values: [NaN, Infinity] }]);
    expect(
      attributes((tx) => {
        tx.setAttribute(at, 'mode', { string: 'ä' });
      })[1],
    ).toEqual(['mode', { kind: 'string', value: new Uint8Array(Buffer.from('ä')) }]);
    const [, [, tensor]] = attributes((tx) => {
      tx.setAttribute(at, 't', { tensor: { dtype: 'i64', shape: [2], values: [1, 2] } });
    });
    expect(tensor.kind === 'tensor' && tensor.tensor).toMatchObject({ dtype: 'i64', shape: [2] });
  });

  test('inputs are set, added and omitted', () => {
    const act = (input: number, value: string) =>
      toEditedLines(chain(), (tx) => {
        tx.setInput({ name: 'b' }, input, value);
      });
    expect(act(0, 'x')).toEqual(['r = Relu(x)', 'y = Neg(x)']);
    expect(act(1, 'x')).toEqual(['r = Relu(x)', 'y = Neg(r,x)']);
    expect(act(0, '')).toEqual(['r = Relu(x)', 'y = Neg()']);
  });

  test('sorting puts values before uses and moves nothing that is in order', () => {
    const unsorted = P.model(
      P.join(
        P.node('Neg', ['r'], ['y']),
        P.node('Abs', ['x'], ['z']),
        P.node('Relu', ['x'], ['r']),
        P.input('x'),
        P.output('y'),
        P.output('z'),
      ),
    );
    expect(
      toEditedLines(unsorted, (tx) => {
        tx.toposort();
      }),
    ).toEqual(['r = Relu(x)', 'y = Neg(r)', 'z = Abs(x)']);
    const model = open(chain());
    const edit = editGraph(model, (tx) => {
      tx.toposort();
    });
    expect(edit.document).toBe(readGraphDocument(model));
  });
});
