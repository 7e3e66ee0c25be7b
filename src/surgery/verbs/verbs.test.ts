import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { findCode } from '../../../test/formats/models.ts';
import { branches, chain, edited, functions, modelOf, open, toLines } from '../../../test/surgery/graphs.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { readGraphDocument } from '../../formats/index.ts';
import { editGraph, type Transaction } from '../index.ts';

const lines = (bytes: Uint8Array, act: (tx: Transaction) => unknown): string[] =>
  toLines(edited(bytes, (tx) => void act(tx)).graph);

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
    expect(lines(chain(), (tx) => tx.insertAfter('y', { op: 'Identity' }))).toEqual([
      'r = Relu(x)',
      'y_before_Identity = Neg(r)',
      'y = Identity(y_before_Identity)',
    ]);
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
    expect(lines(chain(), (tx) => tx.addNodes(json))).toEqual([
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
      lines(branches(), (tx) => {
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
    const text = lines(bytes, (tx) => tx.insertAfter('x', { op: 'Identity' }));
    expect(text).toEqual(['x_Identity = Identity(x)', 'r\udcff = Relu(x_Identity)', 'y = Neg(r\udcff)']);
    expect(lines(bytes, (tx) => tx.insertAfter('r\udcff', { op: 'Identity' }))[1]).toBe(
      'r\udcff_Identity = Identity(r\udcff)',
    );
  });
});

describe('removal', () => {
  test('reconnects readers to the input, or the output to the node before', () => {
    expect(
      lines(chain(), (tx) => {
        tx.remove({ name: 'a' }, { reconnect: true });
      }),
    ).toEqual(['y = Neg(x)']);
    expect(
      lines(chain(), (tx) => {
        tx.remove({ name: 'b' }, { reconnect: true });
      }),
    ).toEqual(['y = Relu(x)']);
    expect(
      lines(branches(), (tx) => {
        tx.remove({ name: 'relu' }, { reconnect: { r: 'x' } });
      }),
    ).toEqual(['y = If(c)']);
  });

  test('replacement makes what is still read', () => {
    const bytes = chain();
    expect(
      lines(bytes, (tx) =>
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
    expect(lines(bytes, (tx) => tx.cleanup())).toEqual([' = Print(x)', 'y = Relu(x)']);
    expect(lines(branches(), (tx) => tx.cleanup())).toEqual(['r = Relu(x)', 'y = If(c)']);
  });
});

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
      lines(chain(), (tx) => {
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
      lines(unsorted, (tx) => {
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
      lines(branches(), (tx) => {
        tx.renameValue({ scope: 'if.then_branch', value: 't' }, 'e');
      }),
    ).toEqual(['r = Relu(x)', 'y = If(c)']);
  });
});
