import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { branches, chain, edited, functions, toEditedLines, toLines } from '../../../test/surgery/graphs.ts';

describe('removal', () => {
  test('reconnects readers to the input, or the output to the node before', () => {
    expect(
      toEditedLines(chain(), (tx) => {
        tx.remove({ name: 'a' }, { reconnect: true });
      }),
    ).toEqual(['y = Neg(x)']);
    expect(
      toEditedLines(chain(), (tx) => {
        tx.remove({ name: 'b' }, { reconnect: true });
      }),
    ).toEqual(['y = Relu(x)']);
    expect(
      toEditedLines(branches(), (tx) => {
        tx.remove({ name: 'relu' }, { reconnect: { r: 'x' } });
      }),
    ).toEqual(['y = If(c)']);
  });

  test('replacement makes what is still read', () => {
    const bytes = chain();
    expect(
      toEditedLines(bytes, (tx) =>
        tx.replace(tx.find({ op: ['Relu', 'Neg'] }), [{ op: 'Elu', inputs: ['x'], outputs: ['y'] }]),
      ),
    ).toEqual(['y = Elu(x)']);
  });

  test('clean-up takes what nothing needs, in subgraphs and functions too', () => {
    const dead = P.join(
      P.node('Abs', ['r'], ['d1']),
      P.node('Abs', ['d1'], ['d2']),
      P.initializer(P.tensor('w', P.CODE.u8, [1], P.raw(1))),
    );
    const model = edited(chain(dead), (tx) => {
      expect(tx.cleanup()).toEqual({ nodes: 2, initializers: 1, functions: 0 });
    });
    expect(toLines(model.graph)).toEqual(['r = Relu(x)', 'y = Neg(r)']);
    const left = edited(functions(), (tx) => {
      expect(tx.cleanup()).toEqual({ nodes: 0, initializers: 0, functions: 1 });
    });
    expect([...left.functions.keys()]).toEqual(['own::Twice']);
  });

  test('clean-up keeps nodes that make nothing, and what outputs of subgraphs need', () => {
    const bytes = P.model(
      P.join(P.node('Print', ['x'], [], P.str(7, 'own')), P.node('Relu', ['x'], ['y']), P.input('x'), P.output('y')),
      P.len(8, P.str(1, 'own'), P.int(2, 1)),
    );
    expect(toEditedLines(bytes, (tx) => tx.cleanup())).toEqual([' = Print(x)', 'y = Relu(x)']);
    expect(toEditedLines(branches(), (tx) => tx.cleanup())).toEqual(['r = Relu(x)', 'y = If(c)']);
  });
});
