import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { branches, chain, edited, functions, open, toEditedLines, toLines } from '../../../test/surgery/graphs.ts';
import { editGraph } from '../index.ts';

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

  test('an output that takes over the value before it keeps one declaration, its own', () => {
    const { values, outputs } = editGraph(open(chain(P.len(13, P.str(1, 'r')))), (tx) => {
      tx.remove({ name: 'b' }, { reconnect: true });
    }).document.graph;
    expect([values, outputs].map((list) => list.map(({ name }) => name))).toEqual([[], ['y']]);
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

  test('clean-up keeps the scale that a quantisation annotation names, though no node reads it', () => {
    const [scale, idle] = ['s', 'idle'].map((name) => P.initializer(P.tensor(name, P.CODE.u8, [1], P.raw(1))));
    const annotation = P.len(14, P.str(1, 'r'), P.len(2, P.str(1, 'SCALE_TENSOR'), P.str(2, 's')));
    const model = edited(chain(annotation, scale, idle), (tx) => {
      expect(tx.cleanup()).toEqual({ nodes: 0, initializers: 1, functions: 0 });
    });
    expect(model.tensors.map(({ name }) => name)).toEqual(['s']);
  });

  test('clean-up keeps functions that only functions call', () => {
    const own = (name: string, op: string): P.Part =>
      P.len(
        25,
        P.str(1, name),
        P.str(10, 'own'),
        P.str(4, 'a'),
        P.str(5, 'z'),
        P.node(op, ['a'], ['z'], ...(op === 'Neg' ? [] : [P.str(7, 'own')])).with(0, 0x3a),
        P.len(9, P.int(2, 18)),
        P.len(9, P.str(1, 'own'), P.int(2, 1)),
      );
    const call = P.join(P.node('Outer', ['x'], ['y'], P.str(7, 'own')), P.input('x'), P.output('y'));
    const imports = P.len(8, P.str(1, 'own'), P.int(2, 1));
    const bytes = P.model(call, imports, own('Inner', 'Neg'), own('Outer', 'Inner'), own('Idle', 'Inner'));
    const model = edited(bytes, (tx) => {
      expect(tx.cleanup()).toEqual({ nodes: 0, initializers: 0, functions: 1 });
    });
    expect([...model.functions.keys()]).toEqual(['own::Inner', 'own::Outer']);
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
