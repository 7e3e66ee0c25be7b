import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { branches, open } from '../../../test/surgery/graphs.ts';
import { editGraph, findScalar, type Match, type NodeQuery, type Pattern, type Transaction } from '../index.ts';

/** What `look` sees of a model. */
function seen<T>(bytes: Uint8Array, look: (tx: Transaction) => T): T {
  const results: T[] = [];
  editGraph(open(bytes), (tx) => {
    results.push(look(tx));
  });
  return results[0];
}

describe('a query', () => {
  test.each<[string, NodeQuery, string[]]>([
    ['by operator', { op: 'Neg' }, ['t']],
    ['by several operators, outer scopes first', { op: ['Abs', 'Relu'] }, ['r', 'e']],
    ['by the whole name', { name: 'if' }, ['y']],
    ['by an expression in the name', { name: /^re/ }, ['r']],
    ['by an expression with a state', { name: /e/g }, ['r']],
    ['by what it reads', { reads: 'r' }, ['t', 'e']],
    ['by what it makes', { makes: 'y' }, ['y']],
    ['by scope', { scope: 'if.else_branch' }, ['e']],
    ['by any test', { where: ({ subgraphs }) => subgraphs.length > 0 }, ['y']],
    ['by domain', { domain: 'own' }, []],
  ])('%s', (_, query, expected) => {
    expect(seen(branches(), (tx) => tx.find(query).map(({ outputs }) => outputs[0]))).toEqual(expected);
  });

  test('numbers and texts of attributes are at hand', () => {
    const bytes = P.model(
      P.join(
        P.node('N', ['x'], ['y'], P.attribute('i', 2, P.int(3, 7)), P.attribute('s', 3, P.str(4, 'ä'))),
        P.input('x'),
        P.output('y'),
      ),
    );
    const find = (name: string): unknown => seen(bytes, (tx) => findScalar(tx.node({ output: 'y' }).attributes, name));
    expect(['i', 's', 'none'].map(find)).toEqual([7, 'ä', undefined]);
  });
});

describe('a pattern', () => {
  const bytes = P.model(
    P.join(
      P.node('MatMul', ['x', 'w'], ['m']),
      P.node('Add', ['b', 'm'], ['s']),
      P.node('Relu', ['s'], ['y']),
      P.node('MatMul', ['y', 'w'], ['m2']),
      P.node('Add', ['m2', 'm2'], ['z']),
      ...['w', 'b'].map((name) => P.initializer(P.tensor(name, P.CODE.u8, [1], P.raw(1)))),
      P.input('x'),
      P.output('y'),
      P.output('z'),
    ),
  );
  const product = { as: 'product', op: 'MatMul', inputs: ['a', 'weights'], outputs: ['m'] };
  const sum = { as: 'sum', op: 'Add', inputs: ['m', 'bias'], isCommutative: true, outputs: ['s'] };
  const match = (pattern: Pattern): readonly Match[] => seen(bytes, (tx) => tx.match(pattern));

  test('a pattern binds nodes and values, in any order of its nodes', () => {
    for (const nodes of [
      [product, sum],
      [sum, product],
    ]) {
      const found = match({ nodes });
      expect(found.map(({ values }) => [values.a, values.weights, values.bias, values.s])).toEqual([
        ['x', 'w', 'b', 's'],
        ['y', 'w', 'm2', 'z'],
      ]);
      expect(found[0].nodes.sum.outputs).toEqual(['s']);
    }
  });

  test('one variable is one value', () => {
    const twice = { as: 'twice', op: 'Add', inputs: ['m', 'm'] };
    expect(match({ nodes: [product, twice] }).map(({ values }) => values.m)).toEqual(['m2']);
  });

  test('internal values have no other reader, and are no outputs', () => {
    const relu = { as: 'relu', op: 'Relu', inputs: ['s'], outputs: ['y'] };
    expect(match({ nodes: [sum, relu], internal: ['s'] })).toHaveLength(1);
    expect(match({ nodes: [relu, { ...product, inputs: ['y', null] }], internal: ['y'] })).toEqual([]);
  });

  test('nodes of other scopes and other domains do not match', () => {
    expect(match({ nodes: [{ ...product, domain: 'own' }] })).toEqual([]);
    const found = seen(branches(), (tx) =>
      tx.match({
        nodes: [
          { as: 'a', op: 'Relu', outputs: ['r'] },
          { as: 'b', op: 'Neg', inputs: ['r'] },
        ],
      }),
    );
    expect(found).toEqual([]);
  });
});
