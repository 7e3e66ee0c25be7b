import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { branches, chain, edited, open, toEditedLines } from '../../../test/surgery/graphs.ts';
import { editGraph, type Transaction } from '../index.ts';

describe('names', () => {
  test('generated ones are free in every scope, and the same each time', () => {
    const bytes = branches();
    const act = (tx: Transaction): string[] => [
      tx.fresh('t'),
      tx.fresh('t'),
      tx.fresh('new'),
      tx.fresh('relu'),
      tx.fresh(''),
    ];
    let [first, second]: string[][] = [[], []];
    editGraph(open(bytes), (tx) => void (first = act(tx)));
    editGraph(open(bytes), (tx) => void (second = act(tx)));
    expect(first).toEqual(['t_2', 't_3', 'new', 'relu_2', 'value']);
    expect(second).toEqual(first);
  });

  test('a renamed value is renamed where it is read, in subgraphs, types and annotations', () => {
    const annotation = P.len(14, P.str(1, 'r'), P.len(2, P.str(1, 'SCALE_TENSOR'), P.str(2, 's')));
    const bytes = chain(
      annotation,
      P.len(13, P.str(1, 'r')),
      P.initializer(P.tensor('s', P.CODE.f32, [], P.raw(0, 0, 0, 0))),
    );
    const text = (act: (tx: Transaction) => void): string =>
      JSON.stringify(
        editGraph(open(bytes), act).document.graph.annotations.map(({ value, parameters }) => [value, parameters]),
      );
    expect(
      text((tx) => {
        tx.renameValue('r', 'q');
      }),
    ).toBe('[["q",[["SCALE_TENSOR","s"]]]]');
    expect(
      text((tx) => {
        tx.renameValue('s', 'scale');
      }),
    ).toBe('[["r",[["SCALE_TENSOR","scale"]]]]');
    const model = edited(bytes, (tx) => {
      tx.renameValue('r', 'q');
    });
    expect([...model.graph!.values.keys()]).toContain('q');
    expect(
      toEditedLines(branches(), (tx) => {
        tx.renameValue('r', 'q');
      }),
    ).toEqual(['q = Relu(x)', 'y = If(c)']);
  });

  test('names that are not UTF-8 are written back as they were read', () => {
    const odd = Uint8Array.of(0x72, 0xff);
    const bytes = P.model(
      P.join(
        P.len(1, P.str(1, 'x'), P.len(2, odd), P.str(4, 'Relu')),
        P.len(1, P.len(1, odd), P.str(2, 'y'), P.str(4, 'Neg')),
        P.input('x'),
        P.output('y'),
      ),
    );
    const text = toEditedLines(bytes, (tx) => tx.insertAfter('x', { op: 'Identity' }));
    expect(text).toEqual(['x_Identity = Identity(x)', 'r\udcff = Relu(x_Identity)', 'y = Neg(r\udcff)']);
    expect(toEditedLines(bytes, (tx) => tx.insertAfter('r\udcff', { op: 'Identity' }))[1]).toBe(
      'r\udcff_Identity = Identity(r\udcff)',
    );
  });
});
