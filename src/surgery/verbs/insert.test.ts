import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { branches, chain, edited, functions, toEditedLines, toLines } from '../../../test/surgery/graphs.ts';

describe('insertion', () => {
  test('behind a value: all readers move, those in subgraphs too', () => {
    const model = edited(branches(), (tx) => void tx.insertAfter('r', { op: 'Identity' }));
    expect(toLines(model.graph)[1]).toBe('r_Identity = Identity(r)');
    const [, , control] = model.graph!.nodes;
    const bodies = [...control.attributes.values()].map((value) =>
      value.kind === 'graph' ? toLines(value.graph) : [],
    );
    expect(bodies).toEqual([['t = Neg(r_Identity)'], ['e = Abs(r_Identity)']]);
  });

  test('behind a graph output: the output keeps its name, the node before makes another value', () => {
    expect(toEditedLines(chain(), (tx) => tx.insertAfter('y', { op: 'Identity' }))).toEqual([
      'r = Relu(x)',
      'y_before_Identity = Neg(r)',
      'y = Identity(y_before_Identity)',
    ]);
  });

  test('between a value and the graph output of its name: nodes that read the value keep it, under another name', () => {
    const bytes = chain(P.node('Abs', ['y'], ['z']), P.output('z'));
    expect(toEditedLines(bytes, (tx) => tx.insertOnEdge('y', 'output', { op: 'Identity' }))).toEqual([
      'r = Relu(x)',
      'y_before_Identity = Neg(r)',
      'y = Identity(y_before_Identity)',
      'z = Abs(y_before_Identity)',
    ]);
    expect(toEditedLines(bytes, (tx) => tx.insertAfter('y', { op: 'Identity' })).at(-1)).toBe('z = Abs(y)');
  });

  test('behind an output of a subgraph', () => {
    const scope = 'if.then_branch';
    const model = edited(branches(), (tx) => void tx.insertAfter({ scope, value: 't' }, { op: 'Identity' }));
    const branch = model.graph!.nodes[1].attributes.get('then_branch');
    expect(branch?.kind === 'graph' && toLines(branch.graph)).toEqual([
      't_before_Identity = Neg(r)',
      't = Identity(t_before_Identity)',
    ]);
  });

  test('on one edge: other readers keep the value; a reader in a subgraph gets the node beside it', () => {
    const model = edited(branches(), (tx) => {
      const [reader] = tx.find({ op: 'Neg' });
      const { node } = tx.insertOnEdge('r', reader, { op: 'Identity' });
      expect(node.scopePath).toBe('if.then_branch');
    });
    const control = model.graph!.nodes[1];
    const bodies = [...control.attributes.values()].map((value) =>
      value.kind === 'graph' ? toLines(value.graph) : [],
    );
    expect(bodies).toEqual([['r_Identity = Identity(r)', 't = Neg(r_Identity)'], ['e = Abs(r)']]);
  });

  test('before an input, with further inputs and attributes', () => {
    const model = edited(chain(), (tx) => {
      tx.addInitializer('k', { dtype: 'f32', shape: [], values: [2] });
      tx.insertBefore({ name: 'b' }, 0, { op: 'Mul', inputs: ['k', null], name: 'scaled' });
      tx.insertAfter('x', { op: 'LeakyRelu', attributes: { alpha: { float: 0.25 } } }, { output: 'leaky' });
    });
    expect(toLines(model.graph)).toEqual([
      'leaky = LeakyRelu(x)',
      'r = Relu(leaky)',
      'r_Mul = Mul(k,r)',
      'y = Neg(r_Mul)',
    ]);
    expect(model.graph!.nodes[0].attributes.get('alpha')).toEqual({ kind: 'float', value: 0.25 });
    expect(model.graph!.tensors.get('k')?.shape).toEqual([]);
  });

  test('of nodes with all wires given, as early as their inputs allow', () => {
    const json = [
      { op: 'Neg', inputs: ['r'], outputs: ['n'] },
      { op: 'Add', inputs: ['n', 'x'], outputs: ['z'] },
    ];
    expect(toEditedLines(chain(), (tx) => tx.addNodes(json))).toEqual([
      'r = Relu(x)',
      'n = Neg(r)',
      'z = Add(n,x)',
      'y = Neg(r)',
    ]);
  });

  test('of a node with subgraphs that read from around them', () => {
    const branch = (op: string, name: string) => ({
      graph: {
        name,
        outputs: [{ name, dtype: 'f32' as const, shape: ['n'] }],
        nodes: [{ op, inputs: ['r'], outputs: [name] }],
      },
    });
    const model = edited(
      P.model(P.join(P.node('Relu', ['x'], ['r']), P.input('x'), P.input('c'), P.output('r'))),
      (tx) => {
        const attributes = { then_branch: branch('Neg', 'p'), else_branch: branch('Abs', 'q') };
        const [node] = tx.addNodes([{ op: 'If', name: 'choice', inputs: ['c'], outputs: ['z'], attributes }]);
        expect(node.subgraphs).toEqual(['choice.then_branch', 'choice.else_branch']);
        tx.insertAfter({ scope: 'choice.else_branch', value: 'q' }, { op: 'Identity' });
        tx.addOutput('z');
      },
    );
    const bodies = [...model.graph!.nodes[1].attributes.values()].map((value) =>
      value.kind === 'graph' ? toLines(value.graph) : [],
    );
    expect(bodies).toEqual([['p = Neg(r)'], ['q_before_Identity = Abs(r)', 'q = Identity(q_before_Identity)']]);
    expect(model.graph!.outputs.map(({ name }) => name)).toEqual(['r', 'z']);
  });

  test('in a function body', () => {
    const model = edited(
      functions(),
      (tx) => void tx.insertAfter({ scope: 'own::Twice', value: 'a' }, { op: 'Identity' }),
    );
    expect(toLines(model.functions.get('own::Twice'))).toEqual([
      'a_Identity = Identity(a)',
      'z = Add(a_Identity,a_Identity)',
    ]);
    expect(toLines(model.functions.get('own::Unused'))).toEqual(['z = Add(a,a)']);
  });
});
